// Command runtime is a Lambda runtime that breaks the Runtime API's rules, as
// its event tells it to.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

var base = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"

func post(path, body string, headers ...string) string {
	r, err := http.NewRequest("POST", base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	defer w.Body.Close()
	text, _ := io.ReadAll(w.Body)
	return fmt.Sprintf("%d %s", w.StatusCode, text)
}

func main() {
	if text := os.Getenv("INIT_ERROR"); text != "" {
		fmt.Println("init error:", post("init/error", text))
		fmt.Println("again:", post("init/error", text))
		os.Exit(1)
	}
	for {
		w, err := http.Get(base + "invocation/next")
		if err != nil {
			panic(err)
		}
		event, _ := io.ReadAll(w.Body)
		w.Body.Close()
		id := w.Header.Get("Lambda-Runtime-Aws-Request-Id")
		switch string(event) {
		case `"wrong"`:
			fmt.Println("unknown id:", post("invocation/other/response", "1"))
			again, err := http.Get(base + "invocation/next")
			if err != nil {
				panic(err)
			}
			again.Body.Close()
			fmt.Println("next while busy:", again.StatusCode)
			fmt.Println("late init error:", post("init/error", "{}"))
			fmt.Println("unserved:", post("restore/next", ""))
			fmt.Println("response:", post("invocation/"+id+"/response", `"ok"`))
			fmt.Println("twice:", post("invocation/"+id+"/response", `"ok"`))
		case `"stream"`:
			fmt.Println(post("invocation/"+id+"/response", "x", "Lambda-Runtime-Function-Response-Mode", "streaming"))
		case `"bare"`:
			fmt.Println(post("invocation/"+id+"/error", "not json", "Lambda-Runtime-Function-Error-Type", "My.Type"))
		case `"exit after"`:
			fmt.Println(post("invocation/"+id+"/response", `"answered"`))
			os.Exit(7)
		default:
			if path, ok := strings.CutPrefix(strings.Trim(string(event), `"`), "extension "); ok {
				w, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/"+path, "application/json", strings.NewReader("{}"))
				if err != nil {
					panic(err)
				}
				text, _ := io.ReadAll(w.Body)
				w.Body.Close()
				post("invocation/"+id+"/response", fmt.Sprintf(`{"status":"%d","body":%s}`, w.StatusCode, text))
				continue
			}
			post("invocation/"+id+"/response", string(event))
		}
	}
}
