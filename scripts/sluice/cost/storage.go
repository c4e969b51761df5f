package cost

import "math"

// StorageSource says where the prices of this file are from. They were written
// down at Date, as those of the other file.
const StorageSource = "AWS's public S3 price list, us-east-1, first 50 TB"

// gibibyte is what S3 bills as a gigabyte.
const gibibyte = 1 << 30

// StorageClass is what a storage class costs, in US dollars. S3 bills the classes
// for rarely read data for a least size and a least time.
type StorageClass struct {
	Name         string
	PerMonth     float64 // per GiB
	LeastBytes   int64   // an object is billed as at least this
	ExtraBytes   int64   // billed beside each object at PerMonth
	IndexBytes   int64   // billed beside each object as STANDARD
	LeastDays    int     // an object that goes sooner is billed for this long
	PerMove      float64 // a lifecycle transition to it
	PerRetrieved float64 // per GiB read
	Instant      bool    // it can be read without a restore
}

// storage are the classes that a version can be in; STANDARD is the first.
var storage = [...]StorageClass{
	{Name: "STANDARD", PerMonth: 0.023, Instant: true},
	{Name: "REDUCED_REDUNDANCY", PerMonth: 0.024, Instant: true},
	{Name: "INTELLIGENT_TIERING", PerMonth: 0.023, PerMove: 0.01 / 1000, Instant: true}, // its frequent tier: an upper bound
	{Name: "STANDARD_IA", PerMonth: 0.0125, LeastBytes: 128 << 10, LeastDays: 30, PerMove: 0.01 / 1000, PerRetrieved: 0.01, Instant: true},
	{Name: "ONEZONE_IA", PerMonth: 0.01, LeastBytes: 128 << 10, LeastDays: 30, PerMove: 0.01 / 1000, PerRetrieved: 0.01, Instant: true},
	{Name: "GLACIER_IR", PerMonth: 0.004, LeastBytes: 128 << 10, LeastDays: 90, PerMove: 0.02 / 1000, PerRetrieved: 0.03, Instant: true},
	{Name: "GLACIER", PerMonth: 0.0036, ExtraBytes: 32 << 10, IndexBytes: 8 << 10, LeastDays: 90, PerMove: 0.03 / 1000, PerRetrieved: 0.01},
	{Name: "DEEP_ARCHIVE", PerMonth: 0.00099, ExtraBytes: 32 << 10, IndexBytes: 8 << 10, LeastDays: 180, PerMove: 0.05 / 1000, PerRetrieved: 0.02},
}

// perTagMonth is what S3 bills for a tag on an object, at most.
const perTagMonth = 0.01 / 10_000

// ClassOf finds a class by its name in S3's answers; "" is STANDARD. ok is false
// for one that has no price here.
func ClassOf(name string) (c StorageClass, ok bool) {
	if name == "" {
		name = storage[0].Name
	}
	for _, c := range storage {
		if c.Name == name {
			return c, true
		}
	}
	return StorageClass{Name: name}, false
}

// Month is what an object of a size costs in a month.
func (c StorageClass) Month(bytes int64) float64 {
	billed := float64(max(bytes, c.LeastBytes) + c.ExtraBytes)
	return billed/gibibyte*c.PerMonth + float64(c.IndexBytes)/gibibyte*storage[0].PerMonth
}

// Move is what it costs, and saves, to move objects to another class.
type Move struct {
	Objects   int     `json:"objects"`
	Bytes     int64   `json:"bytes"`
	NowMonth  float64 `json:"usd_a_month_now"`
	ThenMonth float64 `json:"usd_a_month_then"` // with the tag that each carries
	Once      float64 `json:"usd_once"`         // the transitions
	Even      float64 `json:"months_to_break_even"`
	ReadAll   float64 `json:"usd_to_read_all"` // to retrieve all of it once: a checkout
	LeastDays int     `json:"least_days"`      // what is deleted sooner is billed for this long
}

// Add counts an object that is moved from one class to another.
func (m *Move) Add(from, to StorageClass, bytes int64) {
	m.Objects++
	m.Bytes += bytes
	m.NowMonth += from.Month(bytes)
	m.ThenMonth += to.Month(bytes) + perTagMonth
	m.Once += to.PerMove
	m.ReadAll += float64(bytes) / gibibyte * to.PerRetrieved
	m.LeastDays = to.LeastDays
	m.Even = -1
	if saved := m.NowMonth - m.ThenMonth; saved > 0 {
		m.Even = math.Ceil(m.Once/saved*100) / 100
	}
}
