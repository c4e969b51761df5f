// Package s3 is the local stack's S3: versitygw, a real S3 server, run inside the
// process on plain files, with EventBridge notifications added.
//
// Buckets are folders and objects are files under the service's directory;
// versions, checksums and conditional writes are versitygw's. Because objects
// are files, a key cannot be both an object ("a") and the parent of another
// ("a/b"): the second of them is refused.
//
// Who may do what is not evaluated: bucket policies and public access blocks are
// accepted and kept, and the one pair of credentials of the stack may do
// everything. Lifecycle rules are kept and can be read back, and are not carried
// out.
//
// versitygw changes the process's working directory and keeps paths relative to
// it, so one process can have one Service, and everything else in the process
// must use absolute paths.
package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"

	"github.com/sluice-ml/sluice/infra/local/events"
	"github.com/sluice-ml/sluice/infra/local/events/journal"
	"github.com/sluice-ml/sluice/infra/local/wire"
)

// Publisher takes events for the bus. Publish must not return before it will
// remember the event over a kill.
type Publisher interface {
	Publish(ctx context.Context, e events.Event) error
}

// Options says where the service lives.
type Options struct {
	Dir       string // absolute; objects, versions and the service's own files
	Region    string
	Account   string
	Stack     string // names the buckets that the template leaves unnamed
	AccessKey string // what clients sign with
	SecretKey string
	Publisher Publisher
	Now       func() time.Time
	Log       *slog.Logger
}

// maxCopy is S3's limit of CopyObject, 5 GiB.
const maxCopy = 5 << 30

// Service is a running S3.
type Service struct {
	o       Options
	backend *notifying
	buckets *journal.Journal[Bucket]
	socket  string
	proxy   http.Handler

	cancel context.CancelFunc
	done   chan struct{}
	err    error // why the gateway ended; set before done is closed

	mu       sync.Mutex
	policies map[string][]byte
}

// Open starts the server and waits until it answers. Events of writes that a
// kill cut off are published by Recover.
func Open(ctx context.Context, o Options) (*Service, error) {
	if !filepath.IsAbs(o.Dir) {
		return nil, fmt.Errorf("open S3: the directory %q is not absolute", o.Dir)
	}
	buckets, err := journal.Open[Bucket](filepath.Join(o.Dir, "buckets.jsonl"))
	if err != nil {
		return nil, err
	}
	opened, err := openStore(o.Dir)
	if err != nil {
		return nil, errors.Join(err, buckets.Close())
	}
	intents, err := journal.Open[intent](filepath.Join(o.Dir, "intents.jsonl"))
	if err != nil {
		return nil, errors.Join(err, buckets.Close())
	}
	s := &Service{o: o, buckets: buckets, done: make(chan struct{}), policies: map[string][]byte{},
		socket: fmt.Sprintf("@sluice-s3-%d-%s", os.Getpid(), wire.RequestID()[:8])}
	s.backend = newNotifying(opened, intents, s.notifies, o)
	s.proxy = s.newProxy()
	s.serve()
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open S3: %w", err), s.Close())
	}
	return s, nil
}

// files is versitygw's store with what it does not show of itself.
type files struct {
	*posix.Posix
	attributes meta.MetadataStorer
	versions   string
}

// openStore opens the files. Attributes of objects are extended attributes of
// the files, or side files where the file system has none; the choice is made
// once for a directory.
func openStore(dir string) (files, error) {
	objects, versions, attributes := filepath.Join(dir, "objects"), filepath.Join(dir, "versions"), filepath.Join(dir, "attributes")
	for _, path := range []string{objects, versions} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return files{}, fmt.Errorf("open S3: %w", err)
		}
	}
	options := posix.PosixOpts{VersioningDir: versions, CopyObjectThreshold: maxCopy}
	var attributeStore meta.MetadataStorer = meta.XattrMeta{}
	if _, err := os.Stat(attributes); err == nil || !keepsAttributes(objects) {
		if err := os.MkdirAll(attributes, 0o755); err != nil {
			return files{}, fmt.Errorf("open S3: %w", err)
		}
		side, err := meta.NewSideCar(attributes)
		if err != nil {
			return files{}, fmt.Errorf("open S3: %w", err)
		}
		attributeStore, options.SideCarDir = side, attributes
	}
	opened := files{attributes: attributeStore, versions: versions}
	err := withoutStdout(func() (err error) {
		opened.Posix, err = posix.New(objects, attributeStore, options)
		return err
	})
	if err != nil {
		return files{}, fmt.Errorf("open S3: %w", err)
	}
	return opened, nil
}

// stdoutTaken serialises withoutStdout.
var stdoutTaken sync.Mutex

// withoutStdout keeps what f prints off the standard output, which belongs to
// the program: posix.New prints a line there, and sluice up --json prints JSON.
func withoutStdout(f func() error) error {
	stdoutTaken.Lock()
	defer stdoutTaken.Unlock()
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer nowhere.Close()
	stdout := os.Stdout
	os.Stdout = nowhere
	defer func() { os.Stdout = stdout }()
	return f()
}

// keepsAttributes tries whether files in dir can have extended attributes.
func keepsAttributes(dir string) bool {
	probe := filepath.Join(dir, ".sluice-probe")
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		return false
	}
	defer os.Remove(probe)
	f, err := os.Open(probe)
	if err != nil {
		return false
	}
	defer f.Close()
	return meta.XattrMeta{}.StoreAttribute(f, "", "", "probe", make([]byte, 1024)) == nil
}

func (s *Service) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	config := &embedgw.Config{
		RootUserAccess: s.o.AccessKey, RootUserSecret: s.o.SecretKey, Region: s.o.Region,
		Ports: []string{s.socket}, MaxConnections: 4096, MaxRequests: 4096, MultipartMaxParts: 10000,
		KeepAlive: true, Quiet: true, DisableACLs: true,
		IAMService: auth.NewIAMServiceSingle(auth.Account{Access: s.o.AccessKey, Secret: s.o.SecretKey, Role: auth.RoleAdmin}),
	}
	go func() {
		defer close(s.done)
		s.err = embedgw.RunVersityGW(ctx, s.backend, config)
	}()
}

// ready waits until the gateway accepts connections.
func (s *Service) ready(ctx context.Context) error {
	for {
		conn, err := s.dial(ctx)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.done:
			return fmt.Errorf("the gateway ended: %w", s.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Service) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, "unix", s.socket)
}

// Handler serves the S3 API, for requests as clients signed them.
func (s *Service) Handler() http.Handler { return s.proxy }

// Close stops the server after the requests in progress.
func (s *Service) Close() error {
	s.cancel()
	<-s.done
	return errors.Join(s.err, s.backend.intents.Close(), s.buckets.Close())
}
