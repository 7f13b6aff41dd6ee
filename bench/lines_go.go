// SPDX-License-Identifier: Apache-2.0

// The peer of lines_split.c in Go: bufio.Scanner and utf8.Valid.
package main

import (
  "bufio"
  "bytes"
  "fmt"
  "os"
  "syscall"
  "unicode/utf8"
)

const (
  bufferSize = 16 * 1024 // as much as Weir's
  lineLimit  = 1024 * 1024
)

func split(text []byte) (lines, size int) {
  scanner := bufio.NewScanner(bytes.NewReader(text))
  scanner.Buffer(make([]byte, bufferSize), lineLimit)
  for scanner.Scan() {
    line := scanner.Bytes()
    if !utf8.Valid(line) {
      fmt.Fprintln(os.Stderr, "not UTF-8")
      os.Exit(1)
    }
    lines++
    size += len(line)
  }
  return lines, size
}

func cpuTime() int64 {
  var usage syscall.Rusage
  if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
    panic(err)
  }
  return usage.Utime.Nano() + usage.Stime.Nano()
}

func main() {
  text, err := os.ReadFile(os.Args[1])
  if err != nil {
    fmt.Fprintln(os.Stderr, err)
    os.Exit(1)
  }
  split(text)
  before := cpuTime()
  lines, size := split(text)
  fmt.Println(lines, size, cpuTime()-before)
}
