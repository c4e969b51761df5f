package dataset

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	sums "hash"
	"hash/crc32"
	"hash/crc64"
	"io"
)

// nvme is the reflected polynomial of CRC-64/NVME (the NVM Express NVM Command
// Set Specification, 5.2.1.3.4), which S3 computes by default.
const nvme = 0x9A6C9329AC4BC9B5

// proof checks content against an entry while it streams by.
type proof struct {
	entry Entry
	size  int64
	sum   sums.Hash // nil: only the size can be checked
	md5   bool      // sum is of the ETag, which may be something else
}

func newProof(e Entry) *proof {
	p := &proof{entry: e}
	if e.ChecksumType == "" || e.ChecksumType == "FULL_OBJECT" {
		p.sum = checksumOf(e.ChecksumAlgorithm)
	}
	if raw, err := hex.DecodeString(e.ETag); p.sum == nil && err == nil && len(raw) == md5.Size {
		p.sum, p.md5 = md5.New(), true
	}
	return p
}

// checksumOf is a hash by S3's name of it; nil for a name it does not know.
func checksumOf(algorithm string) sums.Hash {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "CRC64NVME":
		return crc64.New(crc64.MakeTable(nvme))
	case "SHA1":
		return sha1.New()
	case "SHA256":
		return sha256.New()
	}
	return nil
}

func (p *proof) Write(b []byte) (int, error) {
	p.size += int64(len(b))
	if p.sum != nil {
		p.sum.Write(b)
	}
	return len(b), nil
}

var _ io.Writer = (*proof)(nil)

// outcome is what a proof can say of the content that went by.
type outcome int

const (
	different outcome = iota
	sameSize          // and nothing that proves more
	identical         // by checksum, or by an ETag that is its MD5
)

func (p *proof) outcome() outcome {
	switch {
	case p.size != p.entry.Size:
		return different
	case p.sum == nil:
		return sameSize
	case p.md5 && hex.EncodeToString(p.sum.Sum(nil)) == p.entry.ETag:
		return identical
	case p.md5:
		return sameSize // an encrypted object's ETag looks like an MD5 and is none
	case base64.StdEncoding.EncodeToString(p.sum.Sum(nil)) == p.entry.Checksum:
		return identical
	}
	return different
}
