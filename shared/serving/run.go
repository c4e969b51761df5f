package serving

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/sluice-ml/sluice/shared/fault"
)

// DrainTime is how long Serve waits for requests under way once it is told to
// stop: SageMaker kills 30 seconds after SIGTERM.
const DrainTime = 25 * time.Second

// Serve answers on the listener until ctx is done, then takes no new
// connections, finishes the requests under way and returns nil. An error means
// that the listener broke or that requests were still open after DrainTime.
//
// What wrap makes of the handler answers instead of it.
func (s *Server) Serve(ctx context.Context, listener net.Listener, wrap ...func(http.Handler) http.Handler) error {
	handler := s.Handler()
	for _, around := range wrap {
		handler = around(handler)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second,
		IdleTimeout:       120 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fault.New(fault.Internal, fmt.Sprintf("serve on %s", listener.Addr()), "%w", err)
	case <-ctx.Done():
	}
	s.Drain()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), DrainTime)
	defer cancel()
	err := server.Shutdown(drain)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were still open after %v", DrainTime), server.Close())
		return fault.New(fault.Internal, "drain", "%w", err)
	}
	return nil
}
