//! HTTP/1.1 as a strict client speaks it, over a plain socket: what a library would repair in silence is seen here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    /// The server said that it closes the connection.
    pub closes: bool,
}

/// A connection that is used again and again.
#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// To a loopback port.
    pub fn open(port: u16, patience: Duration) -> Result<Connection, String> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let stream =
            TcpStream::connect_timeout(&address, patience).map_err(|e| format!("connect: {e}"))?;
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(patience));
        let _ = stream.set_write_timeout(Some(patience));
        Ok(Connection(BufReader::new(stream)))
    }

    pub fn get(&mut self, host: &str, path: &str) -> Result<Reply, String> {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    /// Sends a whole request and reads the whole answer.
    pub fn send(&mut self, request: &str) -> Result<Reply, String> {
        let stream = self.0.get_mut();
        stream
            .write_all(request.as_bytes())
            .map_err(|e| format!("write: {e}"))?;
        let status = self.line()?;
        let status: u16 = status
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| format!("no status: {status:?}"))?;
        let (mut length, mut chunked, mut closes) = (None, false, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line
                .split_once(':')
                .map(|(name, value)| (name, value.trim()))
            {
                _ if line.is_empty() => break,
                Some(("content-length", value)) => length = value.parse::<usize>().ok(),
                Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
                Some(("connection", value)) => closes = value.contains("close"),
                _ => {}
            }
        }
        let body = match length {
            _ if chunked => self.chunks()?,
            Some(length) => self.exactly(length)?,
            None => {
                closes = true;
                let mut body = Vec::new();
                self.0
                    .read_to_end(&mut body)
                    .map_err(|e| format!("body: {e}"))?;
                body
            }
        };
        Ok(Reply {
            status,
            body: String::from_utf8_lossy(&body).into_owned(),
            closes,
        })
    }

    fn line(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => Err("closed before the answer was over".to_owned()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(format!("read: {error}")),
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, String> {
        let mut body = vec![0; length];
        self.0
            .read_exact(&mut body)
            .map_err(|e| format!("body: {e}"))?;
        Ok(body)
    }

    fn chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default(), 16)
                .map_err(|_| format!("chunk of {size:?}"))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size)?);
            self.line()?;
        }
    }
}

/// One request on a connection of its own.
pub fn get(port: u16, host: &str, path: &str) -> Result<Reply, String> {
    Connection::open(port, Duration::from_secs(35))?.get(host, path)
}
