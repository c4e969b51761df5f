package delta

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// DeletionVector describes which rows of a file are deleted, and where that is
// kept.
type DeletionVector struct {
	StorageType    string `json:"storageType"`    // "u": a file of the table, "p": an absolute path, "i": inline
	PathOrInlineDv string `json:"pathOrInlineDv"` // by the storage type
	Offset         *int64 `json:"offset"`         // bytes into the file
	SizeInBytes    int64  `json:"sizeInBytes"`
	Cardinality    int64  `json:"cardinality"` // rows that are deleted
}

// ID tells two vectors of one file apart.
func (v *DeletionVector) ID() string {
	switch {
	case v == nil:
		return ""
	case v.Offset != nil:
		return fmt.Sprintf("%s%s@%d", v.StorageType, v.PathOrInlineDv, *v.Offset)
	}
	return v.StorageType + v.PathOrInlineDv
}

// File is the vector's file: below the table's root, or a URI; "" when the vector
// is inline.
func (v *DeletionVector) File() string {
	switch v.StorageType {
	case "p":
		return v.PathOrInlineDv
	case "u":
		name, _ := vectorFile(v.PathOrInlineDv)
		return name
	}
	return ""
}

// encodedUUID is how many characters a UUID takes in base 85.
const encodedUUID = 20

// vectorFile is the file that "<prefix><UUID in base 85>" names.
func vectorFile(text string) (string, error) {
	at := len(text) - encodedUUID
	if at < 0 {
		return "", fmt.Errorf("%q: want a UUID in base 85, with or without a prefix", text)
	}
	id, err := decode85(text[at:])
	if err != nil {
		return "", err
	}
	folder := ""
	if at > 0 {
		folder = text[:at] + "/"
	}
	raw := hex.EncodeToString(id)
	return fmt.Sprintf("%sdeletion_vector_%s-%s-%s-%s-%s.bin", folder, raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]), nil
}

// alphabet85 is Z85's (ZeroMQ RFC 32).
const alphabet85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"

func decode85(text string) ([]byte, error) {
	var out []byte
	for ; len(text) >= 5; text = text[5:] {
		var word uint64
		for _, c := range []byte(text[:5]) {
			digit := strings.IndexByte(alphabet85, c)
			if digit < 0 {
				return nil, fmt.Errorf("%q is no digit of base 85", c)
			}
			word = word*85 + uint64(digit)
		}
		if word > 0xffffffff {
			return nil, fmt.Errorf("%q is more than four bytes", text[:5])
		}
		out = binary.BigEndian.AppendUint32(out, uint32(word))
	}
	return out, nil
}

// check says what is wrong with a descriptor.
func (v *DeletionVector) check() error {
	switch v.StorageType {
	case "u":
		name, err := vectorFile(v.PathOrInlineDv)
		if err == nil && !clean(name) {
			err = fmt.Errorf("pathOrInlineDv: %q is not a path below the table", name)
		}
		if err != nil {
			return err
		}
	case "p", "i":
		if v.PathOrInlineDv == "" {
			return fmt.Errorf("pathOrInlineDv: it is empty")
		}
	default:
		return fmt.Errorf(`storageType: unknown type %q: want "u", "p" or "i"`, v.StorageType)
	}
	if v.Cardinality < 0 || v.SizeInBytes < 0 || v.Offset != nil && *v.Offset < 0 {
		return fmt.Errorf("cardinality %d, sizeInBytes %d: want none below 0", v.Cardinality, v.SizeInBytes)
	}
	return nil
}
