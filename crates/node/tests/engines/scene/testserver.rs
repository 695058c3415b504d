//! The program that the scenario tests run in containers: a small HTTP/1.1 server with keep-alive, thread by connection, that
//! can be told to be late, sick, greedy or gone. Only the standard library, so that it runs in any Debian image.
//!
//! `VERSION` is its answer, `PORT` where it listens (8080), `LATE_MS` how long it takes to begin, `EXIT` a code to end with at
//! once. `/slow/MS` answers late, `/sick` and `/well` change what `/healthz` answers, `/exit/CODE` ends it, `/eat/MB` takes
//! memory, `/say/TEXT` prints, `/file/PATH` shows a file.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static SICK: AtomicBool = AtomicBool::new(false);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn main() {
    println!("begins");
    std::thread::sleep(Duration::from_millis(number("LATE_MS").unwrap_or(0)));
    if let Some(code) = number("EXIT") {
        println!("ends with {code} as it was told");
        std::process::exit(code as i32);
    }
    let port = number("PORT").unwrap_or(8080);
    let listener = TcpListener::bind(("0.0.0.0", port as u16)).expect("the port is free");
    println!("listens on {port}");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || serve(stream));
    }
}

fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream.try_clone().expect("a connection can be cloned"));
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut close = false;
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
            close |= line.eq_ignore_ascii_case("connection: close\r\n");
            line.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
        let (status, body) = answer(&path);
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-type: text/plain\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(head.as_bytes()).is_err() || close {
            return;
        }
    }
}

fn answer(path: &str) -> (&'static str, String) {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let (what, rest) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let version = std::env::var("VERSION").unwrap_or_default();
    match what {
        "healthz" if SICK.load(Ordering::Relaxed) => ("503 Service Unavailable", "sick".into()),
        "sick" => {
            SICK.store(true, Ordering::Relaxed);
            ("200 OK", "sick".into())
        }
        "well" => {
            SICK.store(false, Ordering::Relaxed);
            ("200 OK", "well".into())
        }
        "slow" => {
            std::thread::sleep(Duration::from_millis(rest.parse().unwrap_or(1000)));
            ("200 OK", version)
        }
        "exit" => std::process::exit(rest.parse().unwrap_or(1)),
        "eat" => {
            let bytes = rest.parse::<usize>().unwrap_or(1) << 20;
            let eaten = vec![1_u8; bytes];
            std::thread::sleep(Duration::from_millis(500));
            ("200 OK", format!("{}", eaten.len()))
        }
        "say" => {
            println!("{rest}");
            ("200 OK", "said".into())
        }
        "file" => match std::fs::read_to_string(format!("/{rest}")) {
            Ok(text) => ("200 OK", text),
            Err(error) => ("404 Not Found", error.to_string()),
        },
        _ => ("200 OK", version),
    }
}
