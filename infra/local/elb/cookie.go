package elb

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The cookies that keep a client where it is: AWSALBTG at its target group,
// AWSALB at its target. Each comes with a twin for cross-origin requests.
const (
	groupCookie  = "AWSALBTG"
	targetCookie = "AWSALB"
	twin         = "CORS"
)

// cookies seals what a cookie says, so that clients can neither read nor forge
// it. The key is kept with the state: cookies outlive a restart.
type cookies struct{ aead cipher.AEAD }

func (c *cookies) open(key *[]byte) error {
	if len(*key) == 0 {
		*key = make([]byte, 16)
		_, _ = rand.Read(*key) // it does not fail
	}
	block, err := aes.NewCipher(*key)
	if err != nil {
		return fmt.Errorf("cookie key: %w", err)
	}
	c.aead, err = cipher.NewGCM(block)
	return err
}

// set gives a client a cookie and its twin for the duration.
func (c *cookies) set(h http.Header, name, what string, now time.Time, duration time.Duration) {
	expires := now.Add(duration).UTC()
	sealed := c.seal(name, what, expires)
	common := "=" + sealed + "; Expires=" + expires.Format(http.TimeFormat) + "; Path=/"
	h.Add("Set-Cookie", name+common)
	h.Add("Set-Cookie", name+twin+common+"; SameSite=None")
}

// get reads what a cookie of the request says; one that is forged, expired or of
// another kind says nothing.
func (c *cookies) get(r *http.Request, name string, now time.Time) (what string, ok bool) {
	for _, candidate := range []string{name, name + twin} {
		cookie, err := r.Cookie(candidate)
		if err != nil {
			continue
		}
		if what, ok := c.unseal(name, cookie.Value, now); ok {
			return what, true
		}
	}
	return "", false
}

func (c *cookies) seal(name, what string, expires time.Time) string {
	nonce := make([]byte, c.aead.NonceSize(), 128)
	_, _ = rand.Read(nonce)
	text := strconv.FormatInt(expires.Unix(), 10) + " " + what
	return base64.RawURLEncoding.EncodeToString(c.aead.Seal(nonce, nonce, []byte(text), []byte(name)))
}

func (c *cookies) unseal(name, value string, now time.Time) (string, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || len(raw) < c.aead.NonceSize() {
		return "", false
	}
	text, err := c.aead.Open(nil, raw[:c.aead.NonceSize()], raw[c.aead.NonceSize():], []byte(name))
	if err != nil {
		return "", false
	}
	expires, what, _ := strings.Cut(string(text), " ")
	unix, err := strconv.ParseInt(expires, 10, 64)
	return what, err == nil && now.Unix() < unix
}
