package elb

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain is also the process that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("ELB_TEST_DIR"); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

type nobody struct{}

func (nobody) Address(string, int) (string, bool) { return "", false }

// realConfig uses this machine's sockets.
func realConfig(dir string) Config {
	return Config{Dir: dir, Region: "us-east-1", Account: "000000000000", Stack: "Demo", Network: nobody{}, Subnets: vpc{}, Metrics: &sink{}, PropagationDelay: -1}
}

// child serves what is in dir until it is killed, and says where on standard
// output. On an empty dir it makes a load balancer first.
func child(dir string) error {
	s, err := Open(realConfig(dir))
	if err != nil {
		return err
	}
	if len(s.Addresses()) == 0 {
		if err := furnish(s); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(s.Addresses()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // it ends with the parent
	return err
}

func furnish(s *Service) error {
	ctx := s.context
	lb, err := s.createBalancer(ctx, createBalancerIn{Name: "web", Subnets: []string{"subnet-a", "subnet-b"}})
	if err != nil {
		return err
	}
	for _, port := range []int{80, 81} {
		fixed := []Action{{Type: typeFixed, FixedResponseConfig: &FixedResponse{StatusCode: "200", MessageBody: fmt.Sprint(port)}}}
		if _, err := s.createListener(ctx, createListenerIn{LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: &port, Protocol: "HTTP", DefaultActions: fixed}); err != nil {
			return err
		}
	}
	return nil
}

// TestKill: after kill -9 the same listeners are at the same ports.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	var first []Address
	for range 3 {
		process := exec.CommandContext(t.Context(), os.Args[0])
		process.Env = append(os.Environ(), "ELB_TEST_DIR="+dir)
		process.Stderr = os.Stderr
		stdin, err := process.StdinPipe()
		require.NoError(t, err)
		defer stdin.Close()
		stdout, err := process.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, process.Start())
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		require.NoError(t, err)
		var addresses []Address
		require.NoError(t, json.Unmarshal(line, &addresses))
		require.Len(t, addresses, 2)
		if first == nil {
			first = addresses
		}
		require.Equal(t, first, addresses)
		for _, a := range addresses {
			response, err := http.Get(a.URL)
			require.NoError(t, err)
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(a.Port), string(body))
		}
		require.NoError(t, process.Process.Kill())
		_ = process.Wait()
	}
}

// TestEverythingIsThereAgain: ARNs, weights, targets and sticky clients; a drain
// goes on, and one that ended meanwhile is over.
func TestEverythingIsThereAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		listener, blue, green := b.two(3600, 1, 1)
		url := b.url(listener)
		pairs, _ := cookiesOf(b.get(b.client(false), url))
		first := b.get(b.client(false), url, "Cookie", pairs[0]).body
		b.register(blue, "10.0.0.8", 1)
		b.register(blue, "10.0.0.9", 1)
		_, err := b.modifyGroupAttributes(t.Context(), modifyGroupAttributesIn{blue, []Attribute{{deregistrationDelay, "100"}}})
		require.NoError(t, err)
		require.NoError(t, b.Deregister(t.Context(), blue, "10.0.0.8", 1))
		_, err = b.modifyListener(t.Context(), modifyListenerIn{ListenerArn: listener, DefaultActions: weights(3600, blue, 3, green, 7)})
		require.NoError(t, err)
		before, err := statesText(b)
		require.NoError(t, err)
		require.NoError(t, b.Close())
		time.Sleep(50 * time.Second)
		require.NoError(t, b.Deregister(t.Context(), blue, "10.0.0.9", 1), "a closed service still keeps what it is told")
		b.reopen()
		after, err := statesText(b)
		require.NoError(t, err)
		require.NotEqual(t, before, after, "10.0.0.9 is gone")
		require.Equal(t, url, b.url(listener))
		require.Equal(t, "draining Target.DeregistrationInProgress", b.health(blue, "10.0.0.8", 1))
		settle()
		require.Equal(t, "healthy", b.health(blue, "10.0.0.1", 8080))
		got := b.tally(b.client(false), url, 20, "Cookie", pairs[0])
		require.Equal(t, map[string]int{first: 20}, got, "the cookie of before")
		require.Equal(t, 7, *b.state.Listeners[listener].Actions[0].ForwardConfig.TargetGroups[1].Weight)
		time.Sleep(50 * time.Second)
		synctest.Wait()
		require.Equal(t, "unused Target.NotRegistered", b.health(blue, "10.0.0.8", 1))
		require.NoError(t, b.Close())
		b.reopen()
		require.Equal(t, "unused Target.NotRegistered", b.health(blue, "10.0.0.8", 1))
	})
}

// TestPorts: the listener's own port where possible, otherwise one that stays.
func TestPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		one, two, group := b.balancer("one"), b.balancer("two"), b.group("blue")
		high := b.listener(one, 8080, weights(0, group, 1))
		low := b.listener(one, 80, weights(0, group, 1))
		clash := b.listener(two, 8080, []Action{{Type: typeFixed, FixedResponseConfig: &FixedResponse{StatusCode: "200"}}})
		require.Equal(t, "http://127.0.0.1:8080", b.url(high))
		require.NotEqual(t, "http://127.0.0.1:80", b.url(low))
		require.NotEqual(t, "http://127.0.0.1:8080", b.url(clash))
		kept := b.Addresses()
		require.NoError(t, b.Close())
		b.reopen()
		require.Equal(t, kept, b.Addresses())

		require.NoError(t, b.Close())
		thief, err := b.network.Listen(8080)
		require.NoError(t, err)
		b.reopen()
		require.NotEqual(t, "http://127.0.0.1:8080", b.url(high), "somebody took it")
		require.Contains(t, b.log.String(), "port 8080 of listener "+high+" is taken")
		require.NoError(t, thief.Close())

		_, err = b.deleteListener(t.Context(), listenerArnIn{high})
		require.NoError(t, err)
		synctest.Wait()
		free, err := b.network.Listen(8080)
		require.NoError(t, err)
		require.NoError(t, free.Close())
	})
}

// TestListenerThatCannotOpen leaves nothing behind.
func TestListenerThatCannotOpen(t *testing.T) {
	b := open(t, func(c *Config) {
		c.Listen = func(int) (net.Listener, error) { return nil, &net.OpError{Op: "listen", Err: os.ErrPermission} }
	})
	lb := b.balancer("web")
	_, err := b.createListener(t.Context(), createListenerIn{LoadBalancerArn: lb, Port: to(80), Protocol: "HTTP",
		DefaultActions: []Action{{Type: typeFixed, FixedResponseConfig: &FixedResponse{StatusCode: "200"}}}})
	require.ErrorIs(t, err, os.ErrPermission)
	require.Empty(t, b.state.Listeners)
	require.Empty(t, b.Addresses())
}

// TestUnreadableState is refused and left alone.
func TestUnreadableState(t *testing.T) {
	for text, want := range map[string]string{"{": "state.json", `{"load_balancers":{},"later":1}`: "later"} {
		config := realConfig(t.TempDir())
		path := filepath.Join(config.Dir, "state.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Open(config)
		require.ErrorContains(t, err, want)
		kept, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(kept))
	}
}
