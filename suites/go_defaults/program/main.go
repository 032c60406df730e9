// A program that shows what a Go release does by default where a program does not say. Go of the cell builds it, outside of a
// module, so that no `go` line asks for the defaults of an older release; it knows nothing newer than Go 1.15.
package main

import (
	"encoding/json"
	"fmt"
	"io/ioutil"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// check ends the program with what went wrong, which is what a case reads.
func check(err error) {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
}

// run runs a command, and prints what it prints.
func run(name string, words ...string) {
	said, err := exec.Command(name, words...).CombinedOutput()
	fmt.Print(string(said))
	check(err)
}

func countDescriptors() int {
	entries, err := ioutil.ReadDir("/proc/self/fd")
	check(err)
	return len(entries)
}

// holdDescriptors prints how many descriptors more the program has while a child runs.
func holdDescriptors() {
	before := countDescriptors()
	child := exec.Command("sleep", "5")
	check(child.Start())
	fmt.Println(countDescriptors() - before)
	check(child.Process.Kill())
	child.Wait()
}

// catchSignal sends itself a signal that it wants, and says that it came.
func catchSignal() {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGTERM)
	check(syscall.Kill(os.Getpid(), syscall.SIGTERM))
	fmt.Println(<-caught)
}

type layers struct {
	Size  int
	Names []string
}

// decode prints what is wrong with some JSON.
func decode() {
	for _, text := range []string{`{"Size": "large"}`, `{"Names": [1]}`, `{"Names": ["\x"]}`, `{"Size": 1}}`, `{"Size": 1`} {
		fmt.Println(json.Unmarshal([]byte(text), &layers{}))
	}
}

func main() {
	switch os.Args[1] {
	case "version":
		fmt.Println(runtime.Version())
	case "processors":
		fmt.Println(runtime.GOMAXPROCS(0), runtime.NumCPU())
	case "descriptors":
		var limit syscall.Rlimit
		check(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
		fmt.Println(limit.Cur)
	case "run":
		run(os.Args[2], os.Args[3:]...)
	case "held":
		holdDescriptors()
	case "signal":
		catchSignal()
	case "random":
		fmt.Println(rand.Int63())
	case "decode":
		decode()
	case "address":
		fmt.Println(net.ParseIP(os.Args[2]))
	case "certificate":
		verifyCertificate(os.Args[2])
	case "connect":
		connect(os.Args[2])
	case "resolve":
		resolve()
	}
}
