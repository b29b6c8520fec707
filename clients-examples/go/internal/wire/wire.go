// Package wire is what the programs share: flags of the connection, dialling, pauses.
package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	backoffFirst = 200 * time.Millisecond
	backoffMax   = 10 * time.Second

	messageMax = 64 << 20 // the connect push carries all that was missed
)

// Target says where the server is, and how to trust it.
type Target struct {
	Address          string
	ca, cert, secret string
}

// Flags registers the flags of a connection.
func (t *Target) Flags(address string) {
	flag.StringVar(&t.Address, "address", address, "`HOST:PORT`")
	flag.StringVar(&t.ca, "tls-ca", "", "`FILE` with who signed the server; turns TLS on")
	flag.StringVar(&t.cert, "tls-cert", "", "`FILE` with our certificate, for mutual TLS")
	flag.StringVar(&t.secret, "tls-key", "", "`FILE` with its key")
}

// Dial makes a connection that connects with the first call.
func (t *Target) Dial() (*grpc.ClientConn, error) {
	creds, err := t.credentials()
	if err != nil {
		return nil, err
	}
	return grpc.NewClient(t.Address,
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageMax)),
		// Finds out that the peer is gone.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 30 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
		}),
		// The pauses are ours: gRPC itself should not wait much longer.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: backoffFirst / 2, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}))
}

func (t *Target) credentials() (credentials.TransportCredentials, error) {
	if t.ca == "" {
		return insecure.NewCredentials(), nil
	}
	pem, err := os.ReadFile(t.ca)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New(t.ca + ": no certificate")
	}
	if t.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.secret)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

// Backoff is exponential with full jitter: clients that fell together do not come back together.
func Backoff(attempt int) time.Duration {
	return rand.N(min(backoffMax, backoffFirst<<min(attempt, 16)) + 1)
}
