package ecs

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
)

// addresses says where the containers' processes listen. It has a lock of its
// own, so that a load balancer can ask at any time.
type addresses struct {
	mutex sync.RWMutex
	real  map[endpoint]int // the port on 127.0.0.1
}

// endpoint is a task's address and a container's port.
type endpoint struct {
	ip   string
	port int
}

// Address says where the process that stands for a container's port of a task
// listens ("127.0.0.1:port"); not ok means that no such task runs.
func (s *Service) Address(ip string, containerPort int) (hostport string, ok bool) {
	s.addresses.mutex.RLock()
	defer s.addresses.mutex.RUnlock()
	port, ok := s.addresses.real[endpoint{ip, containerPort}]
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), ok
}

// bind finds a free port of this machine for a container's port.
func (a *addresses) bind(ip string, containerPort int) (int, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.real == nil {
		a.real = map[endpoint]int{}
	}
	taken := map[int]bool{}
	for _, port := range a.real {
		taken[port] = true
	}
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("find a free port: %w", err)
		}
		if !taken[port] { // given to a process that does not listen yet
			a.real[endpoint{ip, containerPort}] = port
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: every one of 100 tries gave one that is taken")
}

// unbind forgets a task's ports.
func (a *addresses) unbind(ip string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for e := range a.real {
		if e.ip == ip {
			delete(a.real, e)
		}
	}
}

// freeIP gives an address in 10.0.0.0/16 that no task has; the mutex is held.
// Tasks are kept for a while after they stopped, and their addresses with them.
func (s *Service) freeIP() string {
	taken := map[string]bool{}
	for _, t := range s.tasks {
		taken[t.IP] = true
	}
	for {
		var pair [2]byte
		n, _ := strconv.ParseUint(random(4), 16, 16)
		pair[0], pair[1] = byte(n>>8), byte(n)
		if pair[1] < 4 || pair[1] == 255 { // AWS keeps the first four and the last of a subnet
			continue
		}
		if ip := fmt.Sprintf("10.0.%d.%d", pair[0], pair[1]); !taken[ip] {
			return ip
		}
	}
}

// mac is the hardware address of an interface with the address.
func mac(ip string) string {
	parts := strings.Split(ip, ".")
	mac := "0a:58"
	for _, part := range parts {
		n, _ := strconv.Atoi(part)
		mac += fmt.Sprintf(":%02x", n)
	}
	return mac
}
