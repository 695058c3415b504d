//! An engine's socket for whoever builds and pulls: it knows the images, and nothing else.

use std::path::Path;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::engine::{image_id, images};

pub(crate) fn listen(socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
}

async fn answer(mut stream: UnixStream) {
    let mut head = Vec::new();
    let mut bytes = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut bytes).await {
            Ok(0) | Err(_) => return,
            Ok(length) => head.extend_from_slice(&bytes[..length]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split_whitespace().nth(1).unwrap_or_default();
    let (status, body) = match path {
        "/version" => (
            "200 OK",
            json!({ "Version": "1", "ApiVersion": "1.41", "MinAPIVersion": "1.24" }),
        ),
        _ if path.contains("/images/json") => ("200 OK", json!([])),
        _ if path.contains("/images/") => image(path),
        _ if path.contains("/volumes") => ("200 OK", json!({ "Volumes": [] })),
        _ => ("200 OK", json!([])),
    };
    let body = body.to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn image(path: &str) -> (&'static str, serde_json::Value) {
    let path = path.replace("%2F", "/").replace("%3A", ":");
    let there = images()
        .into_iter()
        .position(|(name, _)| path.contains(&format!("/images/{name}/")));
    match there {
        Some(number) => (
            "200 OK",
            json!({ "Id": image_id(number), "Config": { "Cmd": ["/program"] }, "Size": 1 }),
        ),
        None => ("404 Not Found", json!({ "message": "no such image" })),
    }
}
