// The subscriber listens to channels over the gRPC Consume stream and prints what comes.
//
// It reconnects with growing, random pauses, and asks the server for what it missed: the position
// (epoch and offset) of the last publication of each channel goes into the next connect request.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc/status"

	pb "gush.example/clients/internal/pb/unistream"
	"gush.example/clients/internal/wire"
)

const (
	connectTimeout = 10 * time.Second // until the connect push
	pingGrace      = 10 * time.Second // nothing for the ping interval and this long: dead
)

var (
	errEnough = errors.New("as many publications as wanted")
	errSilent = errors.New("the server is silent")
)

// refusal is an end for good: the server does not want us, and will not change its mind.
type refusal string

func (r refusal) Error() string { return string(r) }

type position struct {
	epoch  string
	offset uint64
}

type subscriber struct {
	target    wire.Target
	channels  []string
	token     string
	count     int
	positions map[string]position // of channels that keep history
	received  int
	attempt   int
}

func main() {
	s := subscriber{positions: map[string]position{}}
	s.target.Flags("127.0.0.1:11000")
	flag.Func("channel", "`NAME`; may be repeated", func(name string) error {
		s.channels = append(s.channels, name)
		return nil
	})
	flag.StringVar(&s.token, "token", os.Getenv("GUSH_TOKEN"), "connection `JWT`, else anonymous")
	flag.IntVar(&s.count, "count", 0, "end after so many publications; 0: go on")
	flag.Parse()
	if len(s.channels) == 0 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, errEnough) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run connects until there is no use in it.
func (s *subscriber) run(ctx context.Context) error {
	for {
		err := s.connect(ctx)
		var refused refusal
		if errors.As(err, &refused) || errors.Is(err, errEnough) || ctx.Err() != nil {
			return err
		}
		pause := wire.Backoff(s.attempt)
		s.attempt++
		fmt.Fprintf(os.Stderr, "reconnecting in %d ms: %v\n", pause.Milliseconds(), err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// connect is one connection, until it is over; it says why. Each time it is a new one: the old one may
// be dead without having noticed.
func (s *subscriber) connect(ctx context.Context) error {
	conn, err := s.target.Dial()
	if err != nil {
		return refusal(err.Error())
	}
	defer conn.Close()
	return s.consume(ctx, pb.NewCentrifugoUniStreamClient(conn))
}

// consume is one stream, until it is over; it says why.
func (s *subscriber) consume(ctx context.Context, client pb.CentrifugoUniStreamClient) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := connectTimeout
	watchdog := time.AfterFunc(patience, func() { cancel(errSilent) })
	defer watchdog.Stop()

	stream, err := client.Consume(ctx, s.request())
	for err == nil {
		var push *pb.Push
		if push, err = stream.Recv(); err != nil {
			break
		}
		if push.Connect != nil {
			patience = time.Duration(push.Connect.Ping)*time.Second + pingGrace
			if push.Connect.Ping == 0 {
				patience = math.MaxInt64 // no pings: only keepalive can tell
			}
		}
		watchdog.Reset(patience)
		err = s.onPush(push)
	}
	if errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	if failed, ok := status.FromError(err); ok {
		return fmt.Errorf("%v: %s", failed.Code(), failed.Message())
	}
	return err // io.EOF: the stream ended in order
}

func (s *subscriber) request() *pb.ConnectRequest {
	request := &pb.ConnectRequest{Token: s.token, Name: "go-example", Subs: map[string]*pb.SubscribeRequest{}}
	for _, channel := range s.channels {
		sub := &pb.SubscribeRequest{}
		if known, ok := s.positions[channel]; ok {
			sub.Recover, sub.Epoch, sub.Offset = true, known.epoch, known.offset
		}
		request.Subs[channel] = sub
	}
	return request
}

// onPush returns an error when this connection is over. An empty push is a ping: it did its work
// by coming.
func (s *subscriber) onPush(push *pb.Push) error {
	switch {
	case push.Connect != nil:
		return s.onConnect(push.Connect)
	case push.Pub != nil:
		return s.onPublication(push.Channel, push.Pub)
	case push.Disconnect != nil:
		code := push.Disconnect.Code
		line := fmt.Sprintf("disconnected %d %s", code, push.Disconnect.Reason)
		if (code >= 3500 && code <= 3999) || (code >= 4500 && code <= 4999) {
			return refusal(line)
		}
		fmt.Fprintln(os.Stderr, line)
		return errors.New(line)
	}
	return nil
}

func (s *subscriber) onConnect(connect *pb.Connect) error {
	fmt.Println("connected", connect.Client)
	s.attempt = 0
	for _, channel := range s.channels {
		result, ok := connect.Subs[channel]
		if !ok {
			return refusal("refused " + channel)
		}
		if err := s.onSubscribed(channel, result); err != nil {
			return err
		}
	}
	return nil
}

func (s *subscriber) onSubscribed(channel string, result *pb.SubscribeResult) error {
	known, recovering := s.positions[channel]
	delete(s.positions, channel)
	recovered := "-"
	if recovering && result.Recovered {
		recovered = "yes"
	} else if recovering {
		recovered = "no"
	}
	fmt.Printf("subscribed %s recovered=%s offset=%d\n", channel, recovered, result.Offset)
	if recovered == "no" {
		fmt.Println("lost", channel)
	}
	if result.Recoverable {
		known.epoch = result.Epoch
		if !result.Recovered {
			known.offset = result.Offset
		}
		s.positions[channel] = known // and what was recovered moves it
	}
	for _, publication := range result.Publications {
		if err := s.onPublication(channel, publication); err != nil {
			return err
		}
	}
	return nil
}

func (s *subscriber) onPublication(channel string, publication *pb.Publication) error {
	if known, ok := s.positions[channel]; ok {
		known.offset = publication.Offset
		s.positions[channel] = known
	}
	fmt.Printf("%s #%d %s\n", channel, publication.Offset, publication.Data)
	if s.received++; s.received == s.count {
		return errEnough
	}
	return nil
}
