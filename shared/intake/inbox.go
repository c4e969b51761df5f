package intake

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sluice-ml/sluice/shared/contract"
	"github.com/sluice-ml/sluice/shared/fault"
)

// Arrival is an object of the inbox as a listing shows it.
type Arrival struct {
	Key  string
	Time time.Time // when it was written; S3 tells whole seconds
}

// Inbox lists and removes objects of the store; ref.Store creates them. Its errors
// are faults as ref.Store's are. intaketest is what every one must pass.
type Inbox interface {
	// Arrivals gives the objects whose keys start with prefix, in key order.
	Arrivals(ctx context.Context, prefix string) ([]Arrival, error)
	// Remove removes, for good, the objects whose keys start with prefix and that
	// gone is true for. What is gone already is not an error. After an error some
	// may be left: the same call again removes the rest.
	Remove(ctx context.Context, prefix string, gone func(key string) bool) error
}

// Uploaded is the body of an inbox object.
type Uploaded struct {
	contract.ObjectVersion
	Cause contract.Cause `json:"cause"`
}

// inboxPrefix is where a model's inbox objects are.
func inboxPrefix(model string) string { return "intake/" + model + "/inbox/" }

const (
	maxKey    = 1024 // bytes that S3 allows a key
	maxName   = 200  // bytes between two "/", for stores that are file systems
	inName    = ".1" // ends a name that holds the version
	inBody    = ".h" // ends a name that is a hash; the body holds the version
	separator = "/"
)

// inboxKey is the key of the inbox object of a version: the same for every event
// about it. Names begin with a byte of a hash, which spreads them.
func inboxKey(model string, v contract.ObjectVersion) string {
	packed := pack(strings.TrimPrefix(v.Key, contract.RawPrefix(model)), v)
	sum := sha256.Sum256(packed)
	start := inboxPrefix(model) + hex.EncodeToString(sum[:1]) + separator
	text := base64.RawURLEncoding.EncodeToString(packed)
	var name strings.Builder
	for len(text) > maxName {
		name.WriteString(text[:maxName] + separator)
		text = text[maxName:]
	}
	name.WriteString(text + inName)
	if key := start + name.String(); len(key) <= maxKey {
		return key
	}
	return start + hex.EncodeToString(sum[:]) + inBody
}

// pack writes the fields of a version, each after its length.
func pack(name string, v contract.ObjectVersion) []byte {
	var b []byte
	for _, field := range []string{name, v.VersionID, v.ETag, v.Sequencer} {
		b = binary.AppendUvarint(b, uint64(len(field)))
		b = append(b, field...)
	}
	return binary.AppendVarint(b, v.Size)
}

// unpack undoes pack; false for what pack does not write.
func unpack(b []byte) (name string, v contract.ObjectVersion, ok bool) {
	for _, field := range []*string{&name, &v.VersionID, &v.ETag, &v.Sequencer} {
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return "", contract.ObjectVersion{}, false
		}
		*field, b = string(b[n:n+int(length)]), b[n+int(length):]
	}
	size, n := binary.Varint(b)
	v.Size = size
	return name, v, n > 0 && n == len(b)
}

// parseName reads the version that an inbox key holds; false when its body does,
// or when it is no inbox object.
func parseName(model, key string) (contract.ObjectVersion, bool) {
	name, inside := strings.CutPrefix(key, inboxPrefix(model))
	_, name, cut := strings.Cut(name, separator)
	text, named := strings.CutSuffix(name, inName)
	if !inside || !cut || !named {
		return contract.ObjectVersion{}, false
	}
	packed, err := base64.RawURLEncoding.DecodeString(strings.ReplaceAll(text, separator, ""))
	if err != nil {
		return contract.ObjectVersion{}, false
	}
	rest, v, ok := unpack(packed)
	v.Key = contract.RawPrefix(model) + rest
	return v, ok && inboxKey(model, v) == key
}

// put writes an upload's inbox object; added is false when it is there.
func (i *Intake) put(ctx context.Context, model string, v contract.ObjectVersion, cause contract.Cause) (added bool, err error) {
	body, err := json.Marshal(Uploaded{v, cause})
	if err != nil {
		return false, fault.New(fault.Internal, "encode an upload", "%w", err)
	}
	_, err = i.Store.Create(ctx, inboxKey(model, v), append(body, '\n'))
	if fault.Is(err, fault.Conflict) {
		return false, nil
	}
	return err == nil, err
}

// arrived is an upload in the inbox.
type arrived struct {
	Arrival
	contract.ObjectVersion
}

// inbox gives a model's uploads, oldest first. What somebody else wrote there is
// not among them.
func (i *Intake) inbox(ctx context.Context, model string) ([]arrived, error) {
	return readInbox(ctx, i.Store, i.Inbox, model)
}

func readInbox(ctx context.Context, store getter, inbox Inbox, model string) ([]arrived, error) {
	listed, err := inbox.Arrivals(ctx, inboxPrefix(model))
	if err != nil {
		return nil, err
	}
	all := make([]arrived, 0, len(listed))
	for _, a := range listed {
		v, ok := parseName(model, a.Key)
		if !ok && strings.HasSuffix(a.Key, inBody) {
			body, err := uploaded(ctx, store, a.Key)
			if fault.Is(err, fault.NotFound) { // it was taken meanwhile
				continue
			}
			if err != nil {
				return nil, err
			}
			v, ok = body.ObjectVersion, inboxKey(model, body.ObjectVersion) == a.Key
		}
		if ok {
			all = append(all, arrived{a, v})
		}
	}
	slices.SortStableFunc(all, func(a, b arrived) int { return a.Time.Compare(b.Time) })
	return all, nil
}

func uploaded(ctx context.Context, store getter, key string) (Uploaded, error) {
	item, err := store.Get(ctx, key)
	if err != nil {
		return Uploaded{}, err
	}
	var body Uploaded
	if err := json.Unmarshal(item.Body, &body); err != nil {
		return Uploaded{}, fault.New(fault.Invalid, "read "+key, "%w", err)
	}
	return body, nil
}

// remove takes versions out of a model's inbox.
func (i *Intake) remove(ctx context.Context, model string, versions ...contract.ObjectVersion) error {
	if len(versions) == 0 {
		return nil
	}
	keys := make(map[string]bool, len(versions))
	for _, v := range versions {
		keys[inboxKey(model, v)] = true
	}
	prefix := inboxPrefix(model)
	if len(keys) == 1 {
		prefix = inboxKey(model, versions[0])
	}
	return i.Inbox.Remove(ctx, prefix, func(key string) bool { return keys[key] })
}
