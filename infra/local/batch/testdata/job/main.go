// Command job is the program of a test image: its first argument says what it
// does.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	do, rest := os.Args[1], os.Args[2:]
	switch do {
	case "print":
		fmt.Println(strings.Join(rest, " "))
		fmt.Fprint(os.Stderr, "no end")
	case "environment":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "exit":
		code, err := strconv.Atoi(rest[0])
		if err != nil {
			panic(err)
		}
		os.Exit(code)
	case "until": // touches the first file, waits for the second
		touch(rest[0])
		waitFor(rest[1])
	case "resume": // touches a file and hangs; succeeds in its second attempt
		if os.Getenv("AWS_BATCH_JOB_ATTEMPT") == "2" {
			fmt.Println("resumed")
			return
		}
		touch(rest[0])
		time.Sleep(time.Hour) // until it is stopped
	case "drain": // touches a file; leaves with 75 when it is asked to
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		touch(rest[0])
		<-asked
		fmt.Println("checkpoint written")
		os.Exit(75)
	case "allocate":
		var kept [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			kept = append(kept, block)
		}
	default:
		panic("do what? " + do)
	}
}

func touch(file string) {
	if err := os.WriteFile(file+".new", []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		panic(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		panic(err)
	}
}

func waitFor(file string) {
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
