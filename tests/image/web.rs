//! The program of the scenarios' image, compiled by `src/image.rs` without cargo: a web server as ordinary ones are (keep-alive,
//! idle connections closed after five seconds, ended at once by SIGTERM) that shows what its container holds; a connection that
//! changes protocols is an echo.
//!
//! `GREETING` is the page. `FAIL` breaks it on purpose: `exit`, `probe`, `port`. `OWNS` names a file that only one
//! instance at a time may hold; a second one notes it in `FILE.conflict` and ends. `/ask?HOST:PORT/PATH` asks another server,
//! over a connection that is kept, and passes its answer on. `DATAGRAMS` is a port of UDP where what comes goes back behind the
//! greeting; `/tell?HOST:PORT/WORD` sends one to another.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Mutex;
use std::time::Duration;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn main() {
    println!("greeting is {}", variable("GREETING"));
    let _owned = own(&variable("OWNS"));
    match variable("FAIL").as_str() {
        "exit" => {
            println!("no database at db:5432");
            std::process::exit(3);
        }
        "port" => {
            println!("waiting for nothing");
            std::thread::sleep(Duration::from_secs(100_000));
        }
        "probe" => println!("schema is not migrated"),
        _ => {}
    }
    if let Ok(port) = variable("DATAGRAMS").parse() {
        std::thread::spawn(move || datagrams(port));
    }
    let listener = TcpListener::bind("0.0.0.0:8080").expect("port 8080");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || serve(stream));
    }
}

/// Holds a lock on a file until the program ends.
fn own(path: &str) -> Option<File> {
    if path.is_empty() {
        return None;
    }
    let file = File::options()
        .create(true)
        .append(true)
        .open(path)
        .expect("the owned file");
    if file.try_lock().is_err() {
        let _ = std::fs::write(format!("{path}.conflict"), "two at once\n");
        println!("another instance owns {path}");
        std::process::exit(9);
    }
    Some(file)
}

fn serve(stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let Ok(mut out) = stream.try_clone() else {
        return;
    };
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split(' ');
        let (method, target) = (
            words.next().unwrap_or_default().to_owned(),
            words.next().unwrap_or_default().to_owned(),
        );
        let (mut length, mut close, mut upgrade) = (0, false, false);
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 {
                return;
            }
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            close |= header == "connection: close";
            upgrade |= header.starts_with("upgrade:");
        }
        if upgrade {
            return echo(reader, out);
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (status, text) = answer(&method, &target, &body);
        let head = format!(
            "HTTP/1.1 {status} -\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        if out.write_all(head.as_bytes()).and_then(|()| out.write_all(text.as_bytes())).is_err() || close {
            return;
        }
    }
}

/// Another protocol from here on: what comes goes back.
fn echo(mut reader: BufReader<TcpStream>, mut out: TcpStream) {
    let _ = reader.get_ref().set_read_timeout(None);
    let head = "HTTP/1.1 101 -\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let _ = out.write_all(head.as_bytes());
    let _ = std::io::copy(&mut reader, &mut out);
}

fn answer(method: &str, target: &str, body: &[u8]) -> (u16, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match (method, path) {
        (_, "/healthz") if variable("FAIL") == "probe" => (404, "not yet\n".to_owned()),
        (_, "/healthz") => (200, "ok\n".to_owned()),
        (_, "/env") => {
            let all: BTreeMap<String, String> = std::env::vars().collect();
            (200, all.iter().map(|(name, value)| format!("{name}={value}\n")).collect())
        }
        (_, "/slow") => {
            std::thread::sleep(Duration::from_millis(query.parse().unwrap_or(1000)));
            (200, "slept\n".to_owned())
        }
        (_, "/log") => {
            println!("{query}");
            (200, "said\n".to_owned())
        }
        (_, "/ask") => match ask(query) {
            Ok(text) => (200, text),
            Err(error) => (502, format!("{query}: {error}\n")),
        },
        (_, "/tell") => match tell(query) {
            Ok(text) => (200, text),
            Err(error) => (502, format!("{query}: {error}\n")),
        },
        ("PUT", "/file") => match std::fs::write(query, body) {
            Ok(()) => (200, "written\n".to_owned()),
            Err(error) => (500, format!("{error}\n")),
        },
        (_, "/file") => match std::fs::read_to_string(query) {
            Ok(text) => (200, text),
            Err(error) => (404, format!("{error}\n")),
        },
        _ => (200, format!("{}\n", variable("GREETING"))),
    }
}

fn datagrams(port: u16) {
    let socket = UdpSocket::bind(("0.0.0.0", port)).expect("a port of UDP");
    let mut word = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut word) {
        let text = String::from_utf8_lossy(&word[..length]);
        let _ = socket.send_to(format!("{} {text}", variable("GREETING")).as_bytes(), from);
    }
}

/// As an API server writes it that passes a query on.
fn plain(target: &str) -> String {
    let target = target.replace("%3A", ":").replace("%2F", "/");
    target.trim_end_matches('=').to_owned()
}

/// What comes back for a datagram.
fn tell(target: &str) -> std::io::Result<String> {
    let target = plain(target);
    let (server, word) = target.split_once('/').unwrap_or((&target, ""));
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.connect(server)?;
    socket.send(word.as_bytes())?;
    let mut answer = [0; 1500];
    let length = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Connections to other servers, kept as ordinary clients keep them.
static KEPT: Mutex<Vec<(String, BufReader<TcpStream>)>> = Mutex::new(Vec::new());

/// What another server answers. One attempt: a kept connection that fails is an error.
fn ask(target: &str) -> std::io::Result<String> {
    let target = plain(target);
    let (server, path) = target.split_once('/').unwrap_or((&target, ""));
    let mut kept = KEPT.lock().expect("no panic while held");
    let found = kept.iter().position(|(name, _)| name == server);
    let connection = found.map(|at| kept.swap_remove(at).1);
    drop(kept);
    let mut connection = match connection {
        Some(connection) => connection,
        None => {
            let address = std::net::ToSocketAddrs::to_socket_addrs(server)?
                .next()
                .ok_or(std::io::ErrorKind::NotFound)?;
            let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
            stream.set_read_timeout(Some(Duration::from_secs(40)))?;
            let _ = stream.set_nodelay(true);
            BufReader::new(stream)
        }
    };
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {server}\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    let (mut status, mut length, mut close) = (String::new(), 0, false);
    connection.read_line(&mut status)?;
    loop {
        let mut header = String::new();
        if connection.read_line(&mut header)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        close |= header == "connection: close";
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    if !close {
        let mut kept = KEPT.lock().expect("no panic while held");
        kept.push((server.to_owned(), connection));
    }
    if !status.contains(" 200 ") {
        return Err(std::io::Error::other(status.trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}
