package elb

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// What a load balancer answers itself.

// serverName is the Server header of these answers.
const serverName = "awselb/2.0"

// titles are AWS's words for a status where they are not the standard's.
var titles = map[int]string{http.StatusServiceUnavailable: "503 Service Temporarily Unavailable", http.StatusGatewayTimeout: "504 Gateway Time-out",
	http.StatusMethodNotAllowed: "405 Not Allowed", http.StatusRequestTimeout: "408 Request Time-out"}

// refuse answers with an error of the load balancer's own.
func (f *front) refuse(w http.ResponseWriter, status int) {
	f.count(fmt.Sprintf("HTTPCode_ELB_%dXX_Count", status/100))
	if status/100 == 5 {
		f.count(fmt.Sprintf("HTTPCode_ELB_%d_Count", status))
	}
	writePage(w, status)
}

func writePage(w http.ResponseWriter, status int) {
	title := titles[status]
	if title == "" {
		title = strconv.Itoa(status) + " " + http.StatusText(status)
	}
	body := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title + "</h1></center>\r\n</body>\r\n</html>\r\n"
	write(w, status, "text/html", body)
}

func write(w http.ResponseWriter, status int, contentType, body string) {
	h := w.Header()
	h.Set("Server", serverName)
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the client may be gone
}

func writeFixed(w http.ResponseWriter, fixed *FixedResponse) {
	status, _ := strconv.Atoi(fixed.StatusCode) // checked when it was kept
	contentType := fixed.ContentType
	if contentType == "" {
		contentType = "text/plain"
	}
	write(w, status, contentType+"; charset=utf-8", fixed.MessageBody)
}

// redirect sends the client to the URL that the action makes of the request's.
func (f *front) redirect(w http.ResponseWriter, r *http.Request, to *Redirect) {
	location := to.location(r, f.port)
	f.count("HTTP_Redirect_Count")
	w.Header().Set("Location", location)
	status := http.StatusFound
	if to.StatusCode == "HTTP_301" {
		status = http.StatusMovedPermanently
	}
	writePage(w, status)
}

// location fills in the reserved keywords. Components that the action leaves out
// stay as they are in the request.
func (to *Redirect) location(r *http.Request, port int) string {
	keywords := strings.NewReplacer("#{protocol}", "http", "#{host}", hostname(r.Host), "#{port}", strconv.Itoa(port),
		"#{path}", strings.TrimPrefix(r.URL.EscapedPath(), "/"), "#{query}", r.URL.RawQuery)
	fill := func(value, fallback string) string {
		if value == "" {
			value = fallback
		}
		return keywords.Replace(value)
	}
	location := strings.ToLower(fill(to.Protocol, "#{protocol}")) + "://" +
		net.JoinHostPort(fill(to.Host, "#{host}"), fill(to.Port, "#{port}")) + fill(to.Path, "/#{path}")
	if query := fill(to.Query, "#{query}"); query != "" {
		location += "?" + query
	}
	return location
}
