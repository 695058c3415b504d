//! Connections that do not leave the machine or its neighbourhood.
//!
//! A machine that serves the world may be set to BBR, which paces what it sends by a timer. Between an instance and its gateway there
//! is no queue to be kept short and nothing gets lost: on two cores pacing took a quarter of a large body's speed
//! (`benches/run inner`). So these use Reno, which every kernel has and lets everybody use.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use rustix::{fd::AsFd, net::sockopt::set_tcp_congestion};
use tokio::net::TcpStream;

/// Sends without pacing; a listener's connections inherit it. Not being able to changes nothing else.
pub(crate) fn unpaced(socket: impl AsFd) {
    let _ = set_tcp_congestion(socket, "reno");
}

/// Whoever takes longer to answer a first word may be far, for all that its address is private: behind a VPN, say.
const AT_HAND: Duration = Duration::from_millis(3);

/// Connects to an instance; what is sent goes out at once.
pub(crate) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let began = Instant::now();
    let stream = TcpStream::connect(address).await?;
    let took = began.elapsed();
    // A head and the body that follows it are two writes; waiting for an acknowledgement in between costs 40 ms.
    stream.set_nodelay(true)?;
    if took < AT_HAND && is_near(address.ip()) {
        unpaced(&stream);
    }
    Ok(stream)
}

/// Whether it can be: a component may be outside, anywhere in the world.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::tcp_congestion;

    use super::*;

    #[tokio::test]
    async fn only_what_is_near_is_sent_without_pacing() {
        for (address, near) in [
            ("10.201.0.7", true),
            ("127.0.0.1", true),
            ("::ffff:172.18.0.2", true),
            ("fd00::2", true),
            ("203.0.113.9", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_near(address.parse().unwrap()), near, "{address}");
        }
        let listener = crate::inner::listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        // A machine that is busy may take its time once.
        let mut to = connect(address).await.unwrap();
        for _ in 0..50 {
            if tcp_congestion(&to).unwrap() == "reno" {
                break;
            }
            to = connect(address).await.unwrap();
        }
        let from = loop {
            match listener.accept() {
                Ok((from, _)) => break from,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(tcp_congestion(&to).unwrap(), "reno");
        assert_eq!(tcp_congestion(&from).unwrap(), "reno");
        assert!(to.nodelay().unwrap());
    }
}
