//! Prints the public keys that the SSH agent at `SSH_AUTH_SOCK` holds, each in hexadecimal digits on a line.
//! (Source: draft-miller-ssh-agent, REQUEST_IDENTITIES.)

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

fn number(from: &mut impl Read) -> usize {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes).expect("a number");
    u32::from_be_bytes(bytes) as usize
}

fn text(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = vec![0; number(from)];
    from.read_exact(&mut bytes)
        .expect("as many bytes as were told");
    bytes
}

fn main() {
    let socket = std::env::var("SSH_AUTH_SOCK").expect("a step with an agent");
    let mut agent = UnixStream::connect(socket).expect("the agent's socket");
    agent.write_all(&[0, 0, 0, 1, 11]).expect("it reads");
    let answer = text(&mut agent);
    assert_eq!(answer[0], 12, "IDENTITIES_ANSWER");
    let mut answer = &answer[1..];
    for _ in 0..number(&mut answer) {
        let (key, _comment) = (text(&mut answer), text(&mut answer));
        println!(
            "{}",
            key.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        );
    }
}
