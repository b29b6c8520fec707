//! Subscribes to channels over the one-way stream `Consume` and prints what they say.
//!
//! Whatever ends a connection, short of being sent away for good, it comes back and asks for what
//! it missed: the position (epoch and offset) of each channel goes into the next connect request.

use std::{
    env,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use gush_example::{
    Backoff, Error, Target, describe,
    unistream::{
        Connect, ConnectRequest, Publication, Push, SubscribeRequest,
        centrifugo_uni_stream_client::CentrifugoUniStreamClient,
    },
};
use lexopt::prelude::*;
use tokio::time::{Instant, sleep, timeout_at};

const USAGE: &str = "\
usage: subscriber --address HOST:PORT --channel C [--channel C2 ...] [--token JWT] [--count N]
                  [--tls-ca FILE [--tls-cert FILE --tls-key FILE]]";

const CONNECT_PATIENCE: Duration = Duration::from_secs(10); // until the connect push
const PING_GRACE: Duration = Duration::from_secs(10);
const NO_PINGS: Duration = Duration::from_secs(365 * 86400); // then keepalive has to do
const MAX_PUSH_BYTES: usize = 64 << 20; // the connect push carries everything that was missed

/// Why a connection is over.
enum End {
    Enough,
    SentAway,
    Lost(String),
}

struct Subscriber {
    target: Target,
    token: String,
    /// What the next connect request asks for: each channel, with our position in it.
    subs: Vec<(String, SubscribeRequest)>,
    printer: Printer,
    backoff: Backoff,
}

impl Subscriber {
    fn from_args() -> Result<Self, Error> {
        let mut subscriber = Self {
            target: Target::new("127.0.0.1:11000"),
            token: env::var("GUSH_TOKEN").unwrap_or_default(),
            subs: Vec::new(),
            printer: Printer { left: None },
            backoff: Backoff::default(),
        };
        let target = &mut subscriber.target;
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("channel") => {
                    let channel = parser.value()?.string()?;
                    subscriber.subs.push((channel, SubscribeRequest::default()));
                }
                Long("token") => subscriber.token = parser.value()?.string()?,
                Long("count") => subscriber.printer.left = Some(parser.value()?.parse()?),
                Long("address") => target.address = parser.value()?.string()?,
                Long("tls-ca") => target.tls_ca = Some(parser.value()?.into()),
                Long("tls-cert") => target.tls_cert = Some(parser.value()?.into()),
                Long("tls-key") => target.tls_key = Some(parser.value()?.into()),
                _ => return Err(arg.unexpected().into()),
            }
        }
        if subscriber.subs.is_empty() {
            return Err("--channel is missing".into());
        }
        Ok(subscriber)
    }

    async fn run(mut self) -> Result<ExitCode, Error> {
        loop {
            let reason = match self.consume().await? {
                End::Enough => return Ok(ExitCode::SUCCESS),
                End::SentAway => return Ok(ExitCode::FAILURE),
                End::Lost(reason) => reason,
            };
            let pause = self.backoff.pause();
            eprintln!("reconnecting in {} ms: {reason}", pause.as_millis());
            sleep(pause).await;
        }
    }

    /// One connection, from the request to its end.
    async fn consume(&mut self) -> Result<End, Error> {
        // A TCP connection of its own: the last one may be dead without knowing it.
        let channel = self.target.endpoint()?.connect_lazy();
        let mut client =
            CentrifugoUniStreamClient::new(channel).max_decoding_message_size(MAX_PUSH_BYTES);
        let request = ConnectRequest {
            token: self.token.clone(),
            subs: self.subs.iter().cloned().collect(),
            name: "rust-example".into(),
            ..Default::default()
        };
        let mut patience = CONNECT_PATIENCE;
        let mut deadline = Instant::now() + patience;
        let mut pushes = match timeout_at(deadline, client.consume(request)).await {
            Ok(Ok(response)) => response.into_inner(),
            Ok(Err(status)) => return Ok(End::Lost(describe(&status))),
            Err(_) => return Ok(End::Lost("no answer".into())),
        };
        loop {
            let push = match timeout_at(deadline, pushes.message()).await {
                Ok(Ok(Some(push))) => push,
                Ok(Ok(None)) => return Ok(End::Lost("the stream ended".into())),
                Ok(Err(status)) => return Ok(End::Lost(describe(&status))),
                Err(_) => return Ok(End::Lost("the server is silent".into())),
            };
            if let Some(connect) = &push.connect {
                self.backoff.reset();
                patience = match connect.ping {
                    0 => NO_PINGS,
                    seconds => Duration::from_secs(seconds.into()) + PING_GRACE,
                };
            }
            if let Some(end) = self.on_push(push)? {
                return Ok(end);
            }
            deadline = Instant::now() + patience;
        }
    }

    fn on_push(&mut self, push: Push) -> Result<Option<End>, Error> {
        if let Some(connect) = push.connect {
            return self.on_connect(connect);
        }
        if let Some(publication) = push.r#pub {
            if let Some((_, sub)) = self.subs.iter_mut().find(|(name, _)| *name == push.channel) {
                sub.offset = publication.offset;
            }
            self.printer.print(&push.channel, &publication)?;
        } else if let Some(unsubscribe) = push.unsubscribe {
            eprintln!("unsubscribed {} {} {}", push.channel, unsubscribe.code, unsubscribe.reason);
            self.subs.retain(|(name, _)| *name != push.channel);
        } else if let Some(disconnect) = push.disconnect {
            eprintln!("disconnected {} {}", disconnect.code, disconnect.reason);
            return Ok(Some(match disconnect.code {
                3500..=3999 | 4500..=4999 => End::SentAway,
                _ => End::Lost(disconnect.reason),
            }));
        } // nothing at all is a ping
        Ok(self.printer.is_done().then_some(End::Enough))
    }

    fn on_connect(&mut self, mut connect: Connect) -> Result<Option<End>, Error> {
        println!("connected {}", connect.client);
        for (name, sub) in &mut self.subs {
            let Some(result) = connect.subs.remove(name) else {
                eprintln!("refused {name}");
                return Ok(Some(End::SentAway));
            };
            let recovered = match (result.was_recovering, result.recovered) {
                (false, _) => "-",
                (true, true) => "yes",
                (true, false) => "no",
            };
            println!("subscribed {name} recovered={recovered} offset={}", result.offset);
            if recovered == "no" {
                println!("lost {name}");
            }
            *sub = SubscribeRequest {
                recover: result.recoverable,
                epoch: result.epoch,
                offset: result.offset,
            };
            for publication in &result.publications {
                sub.offset = publication.offset;
                self.printer.print(name, publication)?;
            }
        }
        Ok(self.printer.is_done().then_some(End::Enough))
    }
}

/// Publications to stdout, and no more of them than were asked for.
struct Printer {
    left: Option<u64>,
}

impl Printer {
    fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    fn print(&mut self, channel: &str, publication: &Publication) -> io::Result<()> {
        if self.is_done() {
            return Ok(());
        }
        self.left = self.left.map(|left| left - 1);
        let mut out = io::stdout().lock();
        write!(out, "{channel} #{} ", publication.offset)?;
        out.write_all(&publication.data)?; // any bytes, not always text
        out.write_all(b"\n")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let subscriber = match Subscriber::from_args() {
        Ok(subscriber) => subscriber,
        Err(error) => {
            eprintln!("subscriber: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    subscriber.run().await.unwrap_or_else(|error| {
        eprintln!("subscriber: {error}");
        ExitCode::FAILURE
    })
}
