package dataset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/sluice-ml/sluice/shared/canonical"
	"github.com/sluice-ml/sluice/shared/fault"
)

// A blob is an immutable object of the store: a magic with its format's number,
// the SHA-256 of its payload, then the payload as one zstd frame. What is written
// as it was before there were segments keeps that format's number, so that older
// builds go on reading it, and refuse the rest by its number. Its key ends
// with the same hash, so equal payloads are one object, whoever compressed
// them, and a key that varies from its first digit on spreads the requests over
// S3's partitions.
const (
	blobs   = "blobs/"   // nodes of trees and of segments
	commits = "commits/" // their JSON
)

// mostPayload bounds what a blob may unpack to, in bytes.
const mostPayload = 64 << 20

var blobMagic = [3]byte{'S', 'L', 'B'}

// blobHead is what lies before the frame.
const blobHead = len(blobMagic) + 1 + sha256.Size

type hash [sha256.Size]byte

func (h hash) String() string { return hex.EncodeToString(h[:]) }

func parseHash(text string) (h hash, ok bool) {
	raw, err := hex.DecodeString(text)
	return hash(append(raw, make([]byte, len(h))...)[:len(h)]), err == nil && len(raw) == len(h)
}

var compressor = sync.OnceValues(func() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false))
})

var decompressor = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(mostPayload), zstd.WithDecoderConcurrency(0))
})

// parcel is a payload on its way into the store.
type parcel struct {
	folder  string
	id      hash
	payload []byte
	format  byte
}

func (p parcel) key() string { return p.folder + p.id.String() }

func (p parcel) pack() ([]byte, error) {
	encoder, err := compressor()
	if err != nil {
		return nil, fault.New(fault.Internal, "compress a blob", "%w", err)
	}
	body := make([]byte, 0, blobHead+len(p.payload)/2+64)
	body = append(append(append(body, blobMagic[:]...), p.format), p.id[:]...)
	return encoder.EncodeAll(p.payload, body), nil
}

// unpack gives the payload of a blob, after checking that it has the hash that
// the key promises. Invalid names the key and what is wrong.
func unpack(key string, want hash, body []byte) ([]byte, error) {
	op := "read " + key
	if bytes.HasPrefix(body, []byte("{")) {
		return nil, fault.New(fault.Invalid, op, "its format is 1, this build knows %d and %d", treeFormat, Format).
			WithHint("an older Sluice made this dataset: move its prefix in the store away, and commit the data again")
	}
	if len(body) < blobHead || !bytes.Equal(body[:len(blobMagic)], blobMagic[:]) {
		return nil, damaged(op, "it is no blob of a dataset")
	}
	if err := checkFormat(op, int(body[len(blobMagic)])); err != nil {
		return nil, err
	}
	if lead := body[blobHead-len(want) : blobHead]; !bytes.Equal(lead, want[:]) {
		return nil, damaged(op, "it leads with the hash %x", lead)
	}
	decoder, err := decompressor()
	if err != nil {
		return nil, fault.New(fault.Internal, op, "%w", err)
	}
	payload, err := decoder.DecodeAll(body[blobHead:], nil)
	if err != nil {
		return nil, damaged(op, "%w", err)
	}
	if sum := sha256.Sum256(payload); sum != want {
		return nil, damaged(op, "its content has the hash %x", sum)
	}
	return payload, nil
}

func checkFormat(op string, format int) error {
	if format == treeFormat || format == Format {
		return nil
	}
	return fault.New(fault.Invalid, op, "its format is %d, this build knows %d and %d", format, treeFormat, Format).
		WithHint("another Sluice wrote it; use that one")
}

func damaged(op, why string, args ...any) error {
	return fault.New(fault.Invalid, op, why, args...).WithHint("the object was altered; restore its first version")
}

// load gives the payload of a blob; NotFound when there is none.
func (r *Repository) load(ctx context.Context, folder string, id hash) ([]byte, error) {
	key := folder + id.String()
	item, err := r.store.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return unpack(key, id, item.Body)
}

// keep stores a payload under its hash. An object that is there already is the
// same one.
func (r *Repository) keep(ctx context.Context, p parcel) (existed bool, err error) {
	body, err := p.pack()
	if err != nil {
		return false, err
	}
	_, err = r.store.Create(ctx, p.key(), body)
	if fault.Is(err, fault.Conflict) {
		return true, nil
	}
	return false, err
}

// seal gives a commit its id.
func seal(c *Commit) (payload []byte, id hash, err error) {
	if payload, err = canonical.JSON(c); err != nil {
		return nil, hash{}, err
	}
	id = sha256.Sum256(payload)
	c.ID = id.String()
	return payload, id, nil
}

func (r *Repository) readCommit(ctx context.Context, id string) (Commit, error) {
	if known, ok := r.cache.get(commits + id); ok {
		return known.(Commit), nil
	}
	sum, ok := parseHash(id)
	if !ok {
		return Commit{}, fault.New(fault.Invalid, "read "+commits+id, "%q is no commit's id: want 64 hexadecimal digits", id)
	}
	payload, err := r.load(ctx, commits, sum)
	if err != nil {
		return Commit{}, err
	}
	c, err := decodeCommit(commits+id, payload)
	if err != nil {
		return Commit{}, err
	}
	c.ID = id
	r.cache.put(commits+id, c, len(payload))
	return c, nil
}

func decodeCommit(key string, payload []byte) (Commit, error) {
	var c Commit
	if err := json.Unmarshal(payload, &c); err != nil {
		return Commit{}, damaged("read "+key, "%w", err)
	}
	if err := checkFormat("read "+key, c.Format); err != nil {
		return Commit{}, err
	}
	if err := first(c.checkLine(), c.checkSegments()); err != nil {
		return Commit{}, damaged("read "+key, "%w", err)
	}
	return c, nil
}
