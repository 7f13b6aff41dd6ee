// SPDX-License-Identifier: Apache-2.0

// A peer of Weir's in Go; language_peer_test.py says what peers do.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
)

const lines = 3

var much = makeMuch()

func makeMuch() []byte {
	bytes := make([]byte, 300000)
	for i := range bytes {
		bytes[i] = byte('a' + i%23)
	}
	return bytes
}

func endFirst(connection *tls.Conn) error {
	if _, err := connection.Write(much); err != nil {
		return err
	}
	if err := connection.CloseWrite(); err != nil {
		return err
	}
	back, err := io.ReadAll(connection)
	if err == nil && !bytes.Equal(back, much) {
		err = errors.New("something else came back")
	}
	return err
}

func endLast(connection *tls.Conn) error {
	all, err := io.ReadAll(connection)
	if err == nil {
		_, err = connection.Write(all)
	}
	return err
}

func sendLines(connection *tls.Conn) error {
	reader := bufio.NewReader(connection)
	for i := 0; i < lines; i++ {
		line := fmt.Sprintf("level %d level\r\n", i)
		if _, err := io.WriteString(connection, line); err != nil {
			return err
		}
		back, err := reader.ReadString('\n')
		if err == nil && back != line {
			err = errors.New("another line came back")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sendLinesBack(connection *tls.Conn) error {
	_, err := io.Copy(connection, connection)
	return err
}

func converse(connection *tls.Conn, talk string, server bool) error {
	defer connection.Close()
	if err := connection.Handshake(); err != nil {
		return err
	}
	state := connection.ConnectionState()
	version := map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}[state.Version]
	fmt.Printf("version=%s protocol=%s certificate=%t\n", version, state.NegotiatedProtocol,
		len(state.PeerCertificates) > 0)
	var err error
	switch {
	case talk == "first":
		err = endFirst(connection)
	case talk == "last":
		err = endLast(connection)
	case server:
		err = sendLinesBack(connection)
	default:
		err = sendLines(connection)
	}
	if err == nil {
		err = connection.Close()
	}
	return err
}

func configuration(folder, version string) (*tls.Config, error) {
	root, err := os.ReadFile(filepath.Join(folder, "root.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	number := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[version]
	return &tls.Config{RootCAs: roots, ClientCAs: roots, ServerName: "localhost",
		NextProtos: []string{"weir"}, MinVersion: number, MaxVersion: number}, nil
}

func load(config *tls.Config, folder, name string) error {
	path := filepath.Join(folder, name)
	certificate, err := tls.LoadX509KeyPair(path+".pem", path+".key")
	config.Certificates = []tls.Certificate{certificate}
	return err
}

func listen(folder, talk, version, asks string) error {
	config, err := configuration(folder, version)
	if err == nil {
		err = load(config, folder, "server")
	}
	if err != nil {
		return err
	}
	if asks == "asks" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	client, err := listener.Accept()
	if err != nil {
		return err
	}
	return converse(tls.Server(client, config), talk, true)
}

func connect(folder, talk, version, shows, port string) error {
	config, err := configuration(folder, version)
	if err == nil && shows == "shows" {
		err = load(config, folder, "client")
	}
	if err != nil {
		return err
	}
	server, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return err
	}
	return converse(tls.Client(server, config), talk, false)
}

func main() {
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		words := strings.Fields(commands.Text())
		var err error
		if words[0] == "listen" {
			err = listen(os.Args[1], words[1], words[2], words[3])
		} else {
			err = connect(os.Args[1], words[1], words[2], words[3], words[4])
		}
		if err == nil {
			fmt.Println("done")
		} else {
			fmt.Println("failed:", err)
		}
	}
}
