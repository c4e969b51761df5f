package upload

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"hash/crc64"

	"github.com/sluice-ml/sluice/shared/dataset"
)

// nvme is the reflected polynomial of CRC-64/NVME, which S3 computes by default.
const nvme = 0x9A6C9329AC4BC9B5

// same says whether a body is surely what an entry pins: by SHA-256, or by MD5
// where the ETag is one. A CRC that differs proves that it is not; one that agrees
// proves nothing, because anybody can make two files of one CRC.
func same(e dataset.Entry, body []byte) bool {
	if e.Size != int64(len(body)) {
		return false
	}
	var sum hash.Hash
	switch {
	case e.ChecksumType != "" && e.ChecksumType != "FULL_OBJECT":
	case e.ChecksumAlgorithm == "CRC64NVME":
		sum = crc64.New(crc64.MakeTable(nvme))
	case e.ChecksumAlgorithm == "CRC32":
		sum = crc32.NewIEEE()
	case e.ChecksumAlgorithm == "SHA256":
		sum = sha256.New()
	}
	if sum != nil {
		sum.Write(body)
		equal := base64.StdEncoding.EncodeToString(sum.Sum(nil)) == e.Checksum
		if !equal || e.ChecksumAlgorithm == "SHA256" {
			return equal
		}
	}
	md := md5.Sum(body)
	return hex.EncodeToString(md[:]) == e.ETag
}
