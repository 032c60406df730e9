package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"
)

// Made with openssl for these cases; nobody has the authority's key any more.
const authority = `-----BEGIN CERTIFICATE-----
MIIDNTCCAh2gAwIBAgIUbHOBiGoNBj2F8SikNrTLBQMHglcwDQYJKoZIhvcNAQEL
BQAwITEfMB0GA1UEAwwWSGFybmVzcyB0ZXN0IGF1dGhvcml0eTAgFw0yNjExMzAx
MjI0MzZaGA8yMTI2MTEwNjEyMjQzNlowITEfMB0GA1UEAwwWSGFybmVzcyB0ZXN0
IGF1dGhvcml0eTCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBALxZl86R
j8sk1/afcz+pR1nPcfgo9mpYVMLPZEV71F8tWwH+hOtOyitiNW4fNohgyOvzLDFM
Bmbvz5llKvM96te65pCT1+dg0zfBvu7xAHmekyZVaes261qcNxmeyOLxbZEEO7l0
7DFbyvKLfzCmMERtRsdZ9cO0RtluC0QeOlfABLmhuMMbylRSkyLYhS38Vk6UV4kl
QArQZiV5fJubp5/3iiE7scplD/qYtvj2lb7S8uqEy8mddujUEEa3kyWMHwYBMVlK
uLKkuk1qeTpz9ZyjkIZczYssB63PGXJD1R5B9mCnBCY2W+tA4flUDjXl2FNOrXEH
3L7ph+AwMLt+ly0CAwEAAaNjMGEwHQYDVR0OBBYEFP9Yzi+v13mrQa6r1pgd8fqb
fXl7MB8GA1UdIwQYMBaAFP9Yzi+v13mrQa6r1pgd8fqbfXl7MA8GA1UdEwEB/wQF
MAMBAf8wDgYDVR0PAQH/BAQDAgIEMA0GCSqGSIb3DQEBCwUAA4IBAQCWBxDCJWqo
kSLgAQJ9IBtmTu7HrpiKUk0XkCJzuQu5lcyenobXS22XFnYA+g3jSz3LQRBL1i8e
v372F1SSS6LBemMdYaMn35Am8v0Qp+LAxHONTtr0b9vnRcTsOjrUeDVC6ioMyL/S
kjLAUYD/E9G9qR63hfGe6dOPJRNSf8ZB8ICCl8Y8b+tQvMc8LqdzdGfiaEbsw3Uh
irQqCvjLGr2N4hDVdZj3JQX3lZWLwSSA9ph3MM0EPANa98ITDZdMJN0mwXzln8iS
zF+tQxThdwGi1yn20ciWPvgQdAyaXoc0yvK1LoxgUC1FE+ESKqQW8eUP3L2hhoXd
91apLhCquuCx
-----END CERTIFICATE-----
`

// What all leaves share, from the authority's name to the middle of their key.
const subject = `bmVzcyB0ZXN0IGF1dGhvcml0eTAgFw0yNjExMzAxMjI0MzhaGA8yMTI2MTEwNjEy
MjQzOFowFjEUMBIGA1UEAwwLc2VydmVyLnRlc3QwggEiMA0GCSqGSIb3DQEBAQUA
A4IBDwAwggEKAoIBAQC8ZjNiSjly8UDhItmQEVPckm7Tj3P6wt7ON3em+oxDbrid
Fv2A6buBKFBJTc/YLnDr5e6+OeGP76DG/0HU/QebNa8Al52wXTgxQyWcA/hJoliC
usVCCMak1ogA0/lR6te0r7YlduO35rdNP6bsCu7XcZKSdupz0EOYGP1M/v3jY5mS
2uJKmq4TWsaMLEBaj7e8ubLRpp0nmqHp9j/nqbR3hvXQZU+NXhEILWDADgLdDIaD
uBppFF/TIYVomUcBD6gU2O4pvwzxIgkBNkNoMd4qn5s4twjAOJNd4s3ks2twMnHw
`

// The rest of the key, and server.test as an alternative name.
const alternative = `wGJm/I8rJWSwCQQ5/PgulZ7YaWZSetWckXyVdltHAgMBAAGjgYgwgYUwCQYDVR0T
BAIwADALBgNVHQ8EBAMCBaAwEwYDVR0lBAwwCgYIKwYBBQUHAwEwFgYDVR0RBA8w
DYILc2VydmVyLnRlc3QwHQYDVR0OBBYEFKX5vY5/ynJQj+D4CGTpaOArgyxcMB8G
`

var leaves = map[string]string{
	// For server.test as an alternative name, signed with SHA-256.
	"usual": `-----BEGIN CERTIFICATE-----
MIIDPjCCAiagAwIBAgICV4QwDQYJKoZIhvcNAQELBQAwITEfMB0GA1UEAwwWSGFy
` + subject + alternative + `A1UdIwQYMBaAFP9Yzi+v13mrQa6r1pgd8fqbfXl7MA0GCSqGSIb3DQEBCwUAA4IB
AQBKdF+Bw75EpCWvT4+oBHykWG/8NK/qmab5U715XBbb2w7BR2GJxLAYO5Vhz9Jo
kBUB2DTowDsqTp55BQk6dcCU+UVdWLqoRAXc0BV1Q7e4Wsf8EPVxin6OU+qahoGP
Jol9Unu5zuHBVx4UUe26TmGSKSK5uKtzf7n81sS/m/GJSD26q5aGQli5rSsV+IHX
3CRzXoNm0m+MPb+VHzwyEvD+qJlhtZ5YQa79nCRX/5Ra1ilykaKLcQjo0Zl7j5y7
BslJUp0vbDpvFFe0uKxfuVTt8jr+d5t5IFl2TIVGnMOljoDj3eU9wEItSp4hV37c
2qv4NQoPuMkp4p3BUwGXIyUp
-----END CERTIFICATE-----
`,
	// The same with a common name alone.
	"name": `-----BEGIN CERTIFICATE-----
MIIDJDCCAgygAwIBAgICBgkwDQYJKoZIhvcNAQELBQAwITEfMB0GA1UEAwwWSGFy
` + subject + `wGJm/I8rJWSwCQQ5/PgulZ7YaWZSetWckXyVdltHAgMBAAGjbzBtMAkGA1UdEwQC
MAAwCwYDVR0PBAQDAgWgMBMGA1UdJQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBSl
+b2Of8pyUI/g+Ahk6WjgK4MsXDAfBgNVHSMEGDAWgBT/WM4vr9d5q0Guq9aYHfH6
m315ezANBgkqhkiG9w0BAQsFAAOCAQEAVCI3ck9crNq6xU8O/Z+3v+DYq9FZr5JF
17HL9EXg2kEtD7MvZ8s0E00hp2rkwGYvLGTN/8yugOSoHSqln1KrhunHkKakFdMA
+yee4QS4RqMqxiP0ggiajqj7s6CScrFM15UQ7sBtGmtJFkTi31CUYJxR2g9L8SCe
juUgXNTxdSPZz4Xxg9VifEGJU/HQpZJYgdyRZr1tMbTR7h5q3jRooKjclF0PU5+7
UOzHjX+2bJmwTXAKy3Qb71+w4G0ZImJIG/IhkfnGcBb5gT6yqda2ZX7BaeWFELNx
nF0AMS21gjIBw5yHrf5EEc5KeGQw+ajUj25rK2VKA90LMj0HAZ1vHQ==
-----END CERTIFICATE-----
`,
	// The first, signed with SHA-1.
	"sha1": `-----BEGIN CERTIFICATE-----
MIIDPjCCAiagAwIBAgICbCgwDQYJKoZIhvcNAQEFBQAwITEfMB0GA1UEAwwWSGFy
` + subject + alternative + `A1UdIwQYMBaAFP9Yzi+v13mrQa6r1pgd8fqbfXl7MA0GCSqGSIb3DQEBBQUAA4IB
AQAWcIhGrZQwyJ8iWd9Lglz3XZzIoyeTXTR+Aylump8U0J44BvfJOHgPK1/tVPcn
PGsnu3FFYY25Yiz4o+oGt8Z7vZ0d6E+VPjaVvL2pXyR+UaBKyvtggIzM3x8sEB5c
4yT6hebzgsL6HVPXP3Yz/S2FGc75zY4MtAhx4et6Ai6nhLlNBXOrYyhWFSULPdFZ
vdpo8LtjIUai7eu7tINgTpPTZoYOo7azRg+wPNvPKGZrIsRxrEPBL3iMBopPoSuL
eNMHbSJWed2utymHR6U5+BoVSs/FYuU/3gwf8qIyzZ+DPm/rMk2uaHFa2bZ4aNu2
JkmyD2zGet9wfNO+JOFQDgxr
-----END CERTIFICATE-----
`,
}

func parseCertificate(text string) *x509.Certificate {
	block, _ := pem.Decode([]byte(text))
	certificate, err := x509.ParseCertificate(block.Bytes)
	check(err)
	return certificate
}

// verifyCertificate says whether the client of a service would take its certificate.
func verifyCertificate(name string) {
	roots := x509.NewCertPool()
	roots.AddCert(parseCertificate(authority))
	leaf := parseCertificate(leaves[name])
	_, err := leaf.Verify(x509.VerifyOptions{
		DNSName:     "server.test",
		Roots:       roots,
		CurrentTime: leaf.NotBefore.Add(time.Hour),
	})
	check(err)
	fmt.Println("accepted")
}
