//! What both programs share: generated code, connection options, backoff.

use std::{error, fs, iter, path::PathBuf, time::Duration};

use tonic::{
    Status,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

pub mod api {
    tonic::include_proto!("centrifugal.centrifugo.api");
}
pub mod unistream {
    tonic::include_proto!("centrifugal.centrifugo.unistream");
}

pub type Error = Box<dyn error::Error + Send + Sync>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30); // a server allows 5 s or more
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the server is, and how to trust it: the options that both programs have.
pub struct Target {
    pub address: String,
    pub tls_ca: Option<PathBuf>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
}

impl Target {
    pub fn new(address: &str) -> Self {
        Self { address: address.into(), tls_ca: None, tls_cert: None, tls_key: None }
    }

    pub fn endpoint(&self) -> Result<Endpoint, Error> {
        let scheme = if self.tls_ca.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", self.address))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        let Some(ca) = &self.tls_ca else {
            return Ok(endpoint);
        };
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(fs::read(ca)?));
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            tls = tls.identity(Identity::from_pem(fs::read(cert)?, fs::read(key)?));
        }
        Ok(endpoint.tls_config(tls)?)
    }
}

/// Exponential backoff with full jitter: clients that lost one server do not return as one crowd.
#[derive(Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(200);
    const MAX: Duration = Duration::from_secs(10);

    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    pub fn pause(&mut self) -> Duration {
        let limit = Self::FIRST.saturating_mul(1 << self.attempts.min(16)).min(Self::MAX);
        self.attempts += 1;
        limit.mul_f64(fastrand::f64())
    }
}

/// A status in one line, with the deepest cause if it has one.
pub fn describe(status: &Status) -> String {
    let first = error::Error::source(status);
    match iter::successors(first, |&cause| cause.source()).last() {
        Some(cause) => format!("{:?} {}: {cause}", status.code(), status.message()),
        None => format!("{:?} {}", status.code(), status.message()),
    }
}
