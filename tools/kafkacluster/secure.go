package kafkacluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The files of the secure listeners, in the cluster's folder: one certificate serves all nodes and its own authority.
const (
	keystoreFile  = "keystore.pem"
	authorityFile = "ca.pem"
)

// reauthenticate is how long a login lasts, in milliseconds (KIP-368): a test that replaces a password need not wait
// long until the old one is refused.
const reauthenticate = 2000

// secureProperties is what a listener with TLS, SCRAM and OAUTHBEARER needs. Users are made by clients, at the other
// listener; tokens are made by whoever has the key for them.
func secureProperties(dir string) string {
	var text strings.Builder
	fmt.Fprintf(&text, `
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=%s
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
`, filepath.Join(dir, keystoreFile))
	for _, mechanism := range []string{"scram-sha-256", "scram-sha-512"} {
		fmt.Fprintf(&text, "listener.name.secure.%s.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n", mechanism)
	}
	for _, mechanism := range []string{"scram-sha-256", "scram-sha-512", "oauthbearer"} {
		fmt.Fprintf(&text, "listener.name.secure.%s.connections.max.reauth.ms=%d\n", mechanism, reauthenticate)
	}
	return text.String() + tokenProperties(dir)
}

// writeCertificate writes a key and a certificate for 127.0.0.1 that is its own authority.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "kafkacluster"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(30 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := privatePEM(key)
	if err != nil {
		return err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, authorityFile), certificate, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, keystoreFile), append(private, certificate...), 0o600)
}

func privatePEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

// SecureBrokers returns the addresses of all nodes' listeners with TLS and a login by SCRAM or OAUTHBEARER.
func (c *Cluster) SecureBrokers() []string {
	addrs := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addrs[i] = n.secure
	}
	return addrs
}

// AuthorityFile is the file in PEM with the authority of their certificate, for 127.0.0.1. It is there until Stop.
func (c *Cluster) AuthorityFile() string { return filepath.Join(c.dir, authorityFile) }
