// SPDX-License-Identifier: Apache-2.0

// The peer of coroutine_weir.c in Go: goroutines and their channels. Called alike.
package main

import (
  "fmt"
  "os"
  "runtime"
  "strconv"
  "sync"
  "syscall"
  "time"
)

func cpuTime() int64 {
  var usage syscall.Rusage
  if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
    panic(err)
  }
  return usage.Utime.Nano() + usage.Stime.Nano()
}

// Each returns what the units took.

func yield(units, alive int) int64 {
  var all sync.WaitGroup
  for i := 0; i < alive; i++ {
    all.Add(1)
    go func() {
      runtime.Gosched() // until all are there
      for i := 0; i < units/alive; i++ {
        runtime.Gosched()
      }
      all.Done()
    }()
  }
  runtime.Gosched()
  began := cpuTime()
  all.Wait()
  return cpuTime() - began
}

func launch(units, alive int) int64 {
  var began int64
  for done := -alive; done < units; done += alive {
    if done == 0 {
      began = cpuTime()
    }
    var all sync.WaitGroup
    all.Add(alive)
    for i := 0; i < alive; i++ {
      go all.Done()
    }
    all.Wait()
  }
  return cpuTime() - began
}

func channel(units, _ int) int64 {
  forth, back := make(chan int), make(chan int)
  go func() {
    for element := range forth {
      back <- element
    }
  }()
  began := cpuTime()
  for i := 0; i < units/2; i++ {
    forth <- i
    if <-back != i {
      panic("another one came back")
    }
  }
  return cpuTime() - began
}

func mutex(units, _ int) int64 {
  var lock sync.Mutex
  began := cpuTime()
  for i := 0; i < units; i++ {
    lock.Lock()
    lock.Unlock()
  }
  return cpuTime() - began
}

func timer(units, alive int) int64 {
  never := func() {}
  for i := 0; i < alive; i++ {
    time.AfterFunc(time.Hour+time.Duration(i*7919%alive)*time.Millisecond, never)
  }
  began := cpuTime()
  for i := 0; i < units; i++ {
    time.AfterFunc(time.Hour+time.Duration(i%1000)*time.Second, never).Stop()
  }
  return cpuTime() - began
}

func main() {
  works := map[string]func(units, alive int) int64{
    "yield": yield, "launch": launch, "channel": channel, "mutex": mutex, "timer": timer,
  }
  units, _ := strconv.Atoi(os.Args[2])
  alive, _ := strconv.Atoi(os.Args[3])
  fmt.Println(works[os.Args[1]](units, alive))
}
