package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// Servers as old as some that clients still have to talk to.
var servers = map[string]*tls.Config{
	"usual": {},
	"tls1.1": {
		MinVersion: tls.VersionTLS10,
		MaxVersion: tls.VersionTLS11,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		},
	},
	"rsa": {
		MaxVersion:   tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	},
	"3des": {
		MaxVersion:   tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA},
	},
}

// connect says whether a client with no settings of its own gets a connection to a server.
func connect(name string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "server.test"},
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	config := servers[name]
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	check(err)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			connection.(*tls.Conn).Handshake()
		}
	}()
	connection, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	check(err)
	state := connection.ConnectionState()
	fmt.Printf("connected %x %x\n", state.Version, state.CipherSuite)
}

// serveNames answers the first question of each packet with 192.0.2.1, and sends on whether it was asked with EDNS0.
func serveNames(socket net.PacketConn, extended chan<- bool) {
	packet := make([]byte, 1500)
	for {
		size, from, err := socket.ReadFrom(packet)
		if err != nil || size < 12 {
			return
		}
		extended <- packet[11] > 0
		end := 12
		for end < size && packet[end] != 0 {
			end += int(packet[end]) + 1
		}
		end += 5
		isAddress := packet[end-3] == 1
		answer := append([]byte{}, packet[:end]...)
		copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
		if isAddress {
			answer[7] = 1
			answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1)
		}
		socket.WriteTo(answer, from)
	}
}

// resolve looks up a name by a resolv.conf whose first server, 127.0.0.2, never answers and whose second is 127.0.0.1.
func resolve() {
	silent, err := net.ListenPacket("udp", "127.0.0.2:53")
	check(err)
	defer silent.Close()
	speaking, err := net.ListenPacket("udp", "127.0.0.1:53")
	check(err)
	extended := make(chan bool, 100)
	go serveNames(speaking, extended)
	begin := time.Now()
	found, err := net.LookupHost("name.test")
	check(err)
	fmt.Printf("found %s in %d s, extended %t\n", strings.Join(found, " "), time.Since(begin)/time.Second, <-extended)
}
