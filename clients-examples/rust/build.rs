//! Generates the clients from the repository's `proto/`; needs `protoc`.

use std::io::Result;

fn main() -> Result<()> {
    let folder = "../../proto";
    let schemas = ["api", "unistream"].map(|name| format!("{folder}/{name}.proto"));
    tonic_prost_build::configure()
        .build_server(false)
        .compile_protos(&schemas, &[folder.to_string()])
}
