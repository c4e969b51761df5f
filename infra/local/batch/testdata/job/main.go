// Command job is the program of a test image: its first argument says what it
// does.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
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
	case "index": // prints its place in an array job; fails at the indexes that it is given
		index := os.Getenv("AWS_BATCH_JOB_ARRAY_INDEX")
		fmt.Println(index, "of", os.Getenv("AWS_BATCH_JOB_ARRAY_SIZE"))
		if slices.Contains(rest, index+"@"+os.Getenv("AWS_BATCH_JOB_ATTEMPT")) {
			os.Exit(1)
		}
	case "order": // adds its index to a file
		f, err := os.OpenFile(rest[0], os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			panic(err)
		}
		fmt.Fprint(f, os.Getenv("AWS_BATCH_JOB_ARRAY_INDEX"))
	case "again": // touches the first file; says its attempt once the second is there
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGTERM)
		touch(rest[0])
		for {
			select {
			case <-asked:
				fmt.Println("asked to stop")
				os.Exit(75)
			default:
			}
			if _, err := os.Stat(rest[1]); err == nil {
				fmt.Println("attempt", os.Getenv("AWS_BATCH_JOB_ATTEMPT"))
				return
			}
			time.Sleep(time.Millisecond)
		}
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
	pid := strconv.Itoa(os.Getpid())
	if err := os.WriteFile(file+".new"+pid, []byte(pid), 0o644); err != nil {
		panic(err)
	}
	if err := os.Rename(file+".new"+pid, file); err != nil {
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
