//! Servers as users have them around Pluvio, each a real one on a loopback port of its own: a Git host over HTTP and over
//! SSH, a registry, a reverse proxy that speaks TLS; and hosts that are not this machine.

mod git;
mod outside;
mod registry;
mod tls;

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub use git::{HttpHost, Repository, SshHost};
pub use outside::OutsideNetwork;
pub use registry::Registry;
pub use tls::TlsProxy;

use crate::wait;

/// A port that nobody listens at.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A server that ends with the value.
#[derive(Debug)]
struct Server(Child);

impl Server {
    #[track_caller]
    fn start(command: &mut Command, port: u16) -> Server {
        let what = format!("{command:?}");
        let mut server = Server(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .unwrap_or_else(|e| panic!("{what}: {e}: scripts/install --tests installs it")),
        );
        wait::until_true(&format!("{what} listens"), Duration::from_secs(20), || {
            let ended = server.0.try_wait().expect("a child is waited for");
            assert!(ended.is_none(), "{what} ended: {ended:?}");
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end; answers with what it wrote.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
