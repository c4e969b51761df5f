package parquet

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// supported refuses, by name, the flat types whose text would be a guess.
func supported(c *schema.Column) error {
	switch c.LogicalType().(type) {
	case schema.BSONLogicalType, schema.UUIDLogicalType, schema.IntervalLogicalType,
		schema.Float16LogicalType, schema.VariantLogicalType, schema.GeometryLogicalType,
		schema.GeographyLogicalType:
		return fmt.Errorf("column %q has the type %s, which is not supported; write it as a number or text", c.Name(), c.LogicalType())
	}
	return nil
}

// widen gives the float64 with the shortest decimal form of v: 0.1 stays 0.1.
func widen(v float32) float64 {
	wide, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil {
		return float64(v)
	}
	return wide
}

func boolText(v bool) string { return strconv.FormatBool(v) }

func int96Text(v parquet.Int96) string { return stamp(v.ToTime()) }

func int32Text(c *schema.Column) func(int32) string {
	switch t := c.LogicalType().(type) {
	case schema.DateLogicalType:
		return func(v int32) string { return time.Unix(int64(v)*86400, 0).UTC().Format(time.DateOnly) }
	case schema.DecimalLogicalType:
		return func(v int32) string { return decimal(big.NewInt(int64(v)), t.Scale()) }
	case schema.TimeLogicalType:
		return func(v int32) string { return clock(time.Duration(v) * time.Millisecond) }
	case schema.IntLogicalType:
		if !t.IsSigned() {
			return func(v int32) string { return strconv.FormatUint(uint64(uint32(v)), 10) }
		}
	}
	return func(v int32) string { return strconv.FormatInt(int64(v), 10) }
}

func int64Text(c *schema.Column) func(int64) string {
	switch t := c.LogicalType().(type) {
	case schema.DecimalLogicalType:
		return func(v int64) string { return decimal(big.NewInt(v), t.Scale()) }
	case schema.TimestampLogicalType:
		switch t.TimeUnit() {
		case schema.TimeUnitMillis:
			return func(v int64) string { return stamp(time.UnixMilli(v)) }
		case schema.TimeUnitMicros:
			return func(v int64) string { return stamp(time.UnixMicro(v)) }
		}
		return func(v int64) string { return stamp(time.Unix(v/1e9, v%1e9)) }
	case schema.TimeLogicalType:
		unit := time.Nanosecond
		if t.TimeUnit() == schema.TimeUnitMicros {
			unit = time.Microsecond
		}
		return func(v int64) string { return clock(time.Duration(v) * unit) }
	case schema.IntLogicalType:
		if !t.IsSigned() {
			return func(v int64) string { return strconv.FormatUint(uint64(v), 10) }
		}
	}
	return func(v int64) string { return strconv.FormatInt(v, 10) }
}

func bytesText[T ~[]byte](c *schema.Column) func(T) string {
	if t, ok := c.LogicalType().(schema.DecimalLogicalType); ok {
		return func(v T) string { return decimal(twosComplement(v), t.Scale()) }
	}
	return func(v T) string { return string(v) }
}

func twosComplement(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// decimal writes unscaled / 10^scale, exactly.
func decimal(unscaled *big.Int, scale int32) string {
	if scale <= 0 {
		return unscaled.String()
	}
	digits := new(big.Int).Abs(unscaled).String()
	if lack := int(scale) + 1 - len(digits); lack > 0 {
		digits = strings.Repeat("0", min(lack, 400)) + digits
	}
	text := digits[:len(digits)-int(scale)] + "." + digits[len(digits)-int(scale):]
	if unscaled.Sign() < 0 {
		text = "-" + text
	}
	return text
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999999Z") }

func clock(d time.Duration) string { return time.Unix(0, 0).UTC().Add(d).Format("15:04:05.999999999") }
