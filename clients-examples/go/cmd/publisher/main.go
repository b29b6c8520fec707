// The publisher publishes its arguments, or the lines of stdin, through the gRPC API, each exactly
// once.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"iter"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "gush.example/clients/internal/pb/api"
	"gush.example/clients/internal/wire"
)

const lineMax = 16 << 20

type publisher struct {
	client    pb.CentrifugoApiClient
	channel   string
	prefix    string // of idempotency keys
	deadline  time.Duration
	published int
}

func main() {
	var target wire.Target
	target.Flags("127.0.0.1:10000")
	p := publisher{}
	flag.StringVar(&p.channel, "channel", "", "`NAME`")
	flag.StringVar(&p.prefix, "idempotency-prefix", rand.Text(), "the n-th publication has the idempotency key `P`-n")
	deadline := flag.Int("deadline-ms", 30_000, "for one publication with all of its retries")
	key := flag.String("key", os.Getenv("GUSH_API_KEY"), "`API key`")
	compress := flag.Bool("gzip", false, "compress requests")
	health := flag.Bool("health", false, "only ask how the server is")
	flag.Parse()
	p.deadline = time.Duration(*deadline) * time.Millisecond
	if p.channel == "" && !*health {
		flag.Usage()
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	conn, err := target.Dial()
	if err != nil {
		fail(err)
	}
	if *health {
		ctx, cancel := context.WithTimeout(ctx, p.deadline)
		defer cancel()
		os.Exit(serving(ctx, conn))
	}
	if *key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "apikey "+*key)
	}
	var options []grpc.CallOption
	if *compress {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	p.client = pb.NewCentrifugoApiClient(conn)
	for data, err := range publications(flag.Args()) {
		if err == nil {
			err = p.publish(ctx, data, options)
		}
		if err != nil {
			fail(err)
		}
	}
}

// publications are the arguments, or else the lines of stdin.
func publications(arguments []string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, argument := range arguments {
			if !yield([]byte(argument), nil) {
				return
			}
		}
		if len(arguments) > 0 {
			return
		}
		lines := bufio.NewScanner(os.Stdin)
		lines.Buffer(nil, lineMax)
		for lines.Scan() {
			if !yield(lines.Bytes(), nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// publish sends data until there is an answer. What is sent again carries the same idempotency key.
func (p *publisher) publish(ctx context.Context, data []byte, options []grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, p.deadline)
	defer cancel()
	p.published++
	request := &pb.PublishRequest{
		Channel: p.channel, Data: data, IdempotencyKey: fmt.Sprintf("%s-%d", p.prefix, p.published),
	}
	for attempt := 0; ; attempt++ {
		reply, err := p.client.Publish(ctx, request, options...)
		switch {
		case status.Code(err) == codes.Unavailable:
			pause := wire.Backoff(attempt)
			fmt.Fprintf(os.Stderr, "retrying in %d ms: %s\n", pause.Milliseconds(), status.Convert(err).Message())
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return status.FromContextError(ctx.Err()).Err()
			}
		case err != nil:
			return err
		case reply.Error != nil:
			return fmt.Errorf("%d %s", reply.Error.Code, reply.Error.Message)
		default:
			fmt.Printf("%s #%d\n", p.channel, reply.Result.Offset)
			return nil
		}
	}
}

func serving(ctx context.Context, conn *grpc.ClientConn) int {
	reply, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		fail(err)
	}
	fmt.Println(reply.Status)
	if reply.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return 1
	}
	return 0
}

func fail(err error) {
	if failed, ok := status.FromError(err); ok {
		err = fmt.Errorf("%v %s", failed.Code(), failed.Message())
	}
	fmt.Fprintln(os.Stderr, "error", err)
	os.Exit(1)
}
