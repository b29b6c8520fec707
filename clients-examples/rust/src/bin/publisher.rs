//! Publishes through the server API: each argument, or each line of stdin, is one publication.
//!
//! A publication that fails on its way is sent again under the same idempotency key, so a call
//! that was carried out and whose answer got lost is not carried out twice.

use std::{env, error::Error as _, os::unix::ffi::OsStringExt, process::ExitCode, time::Duration};

use gush_example::{
    Backoff, Error, Target,
    api::{PublishRequest, PublishResult, centrifugo_api_client::CentrifugoApiClient},
    describe,
};
use lexopt::prelude::*;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::{Instant, sleep, timeout_at},
};
use tonic::{Code, Request, Status, codec::CompressionEncoding, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const USAGE: &str = "\
usage: publisher --address HOST:PORT --channel C [--key APIKEY] [--gzip] [--deadline-ms N]
                 [--idempotency-prefix P] [--tls-ca FILE [--tls-cert FILE --tls-key FILE]]
                 [DATA ...]
       publisher --address HOST:PORT --health";

const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

struct Options {
    target: Target,
    channel: String,
    key: String,
    gzip: bool,
    deadline: Duration,
    prefix: String,
    health: bool,
    data: Vec<Vec<u8>>,
}

impl Options {
    fn from_args() -> Result<Self, Error> {
        let mut options = Self {
            target: Target::new("127.0.0.1:10000"),
            channel: String::new(),
            key: env::var("GUSH_API_KEY").unwrap_or_default(),
            gzip: false,
            deadline: DEFAULT_DEADLINE,
            prefix: format!("{:016x}", fastrand::u64(..)),
            health: false,
            data: Vec::new(),
        };
        let target = &mut options.target;
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("channel") => options.channel = parser.value()?.string()?,
                Long("key") => options.key = parser.value()?.string()?,
                Long("gzip") => options.gzip = true,
                Long("deadline-ms") => {
                    options.deadline = Duration::from_millis(parser.value()?.parse()?)
                }
                Long("idempotency-prefix") => options.prefix = parser.value()?.string()?,
                Long("health") => options.health = true,
                Value(data) => options.data.push(data.into_vec()),
                Long("address") => target.address = parser.value()?.string()?,
                Long("tls-ca") => target.tls_ca = Some(parser.value()?.into()),
                Long("tls-cert") => target.tls_cert = Some(parser.value()?.into()),
                Long("tls-key") => target.tls_key = Some(parser.value()?.into()),
                _ => return Err(arg.unexpected().into()),
            }
        }
        if options.channel.is_empty() && !options.health {
            return Err("--channel is missing".into());
        }
        Ok(options)
    }
}

struct Publisher {
    options: Options,
    client: CentrifugoApiClient<Channel>,
    published: u64,
}

impl Publisher {
    fn new(options: Options, channel: Channel) -> Self {
        let mut client = CentrifugoApiClient::new(channel);
        if options.gzip {
            client = client
                .send_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Gzip);
        }
        Self { options, client, published: 0 }
    }

    async fn run(mut self) -> Result<(), Error> {
        let data = std::mem::take(&mut self.options.data);
        if data.is_empty() {
            let mut lines = BufReader::new(tokio::io::stdin()).split(b'\n');
            while let Some(line) = lines.next_segment().await? {
                self.publish(line).await?;
            }
        }
        for item in data {
            self.publish(item).await?;
        }
        Ok(())
    }

    async fn publish(&mut self, data: Vec<u8>) -> Result<(), Error> {
        self.published += 1;
        let message = PublishRequest {
            channel: self.options.channel.clone(),
            data,
            idempotency_key: format!("{}-{}", self.options.prefix, self.published),
            ..Default::default()
        };
        let deadline = Instant::now() + self.options.deadline;
        let result = match timeout_at(deadline, self.send(message, deadline)).await {
            Ok(result) => result?,
            Err(_) => return Err("error DeadlineExceeded no answer in time".into()),
        };
        println!("{} #{}", self.options.channel, result.offset);
        Ok(())
    }

    /// Sends until it is known what became of it.
    async fn send(
        &mut self,
        message: PublishRequest,
        deadline: Instant,
    ) -> Result<PublishResult, Error> {
        let mut backoff = Backoff::default();
        loop {
            let mut request = Request::new(message.clone());
            request.set_timeout(deadline - Instant::now()); // the server honours it too
            if !self.options.key.is_empty() {
                let value = format!("apikey {}", self.options.key).parse()?;
                request.metadata_mut().insert("authorization", value);
            }
            let status = match self.client.publish(request).await {
                Ok(response) => {
                    let reply = response.into_inner();
                    return match reply.error {
                        Some(error) => {
                            Err(format!("error {} {}", error.code, error.message).into())
                        }
                        None => Ok(reply.result.unwrap_or_default()),
                    };
                }
                Err(status) => status,
            };
            if !is_lost(&status) {
                return Err(format!("error {}", describe(&status)).into());
            }
            let pause = backoff.pause();
            eprintln!("retrying in {} ms: {}", pause.as_millis(), describe(&status));
            sleep(pause).await;
        }
    }
}

/// Whether a call failed on its way, so that nobody knows what became of it. Only a failure that
/// tonic noticed by itself has a cause; a status that the server sent has none.
fn is_lost(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}

/// Asks how the server is. Returns whether it serves.
async fn check_health(options: &Options, channel: Channel) -> Result<bool, Error> {
    let mut request = Request::new(HealthCheckRequest::default()); // no name: the whole server
    request.set_timeout(options.deadline);
    let reply = HealthClient::new(channel)
        .check(request)
        .await
        .map_err(|status| format!("error {}", describe(&status)))?;
    let status = reply.into_inner().status();
    println!("{}", status.as_str_name());
    Ok(status == ServingStatus::Serving)
}

async fn run(options: Options) -> Result<ExitCode, Error> {
    let channel = options.target.endpoint()?.connect_lazy();
    if options.health {
        let serves = check_health(&options, channel).await?;
        return Ok(if serves { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    Publisher::new(options, channel).run().await?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match Options::from_args() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("publisher: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    run(options).await.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}
