//! Hosts that are not this machine: a network namespace with addresses of its own (of RFC 5737's, which nobody has), and a web
//! server at each that is wanted.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A network outside, with room for a few hosts. Gone when dropped.
#[derive(Debug)]
pub struct OutsideNetwork {
    name: String,
    number: u16,
    servers: Vec<(u16, Child)>,
    folder: tempfile::TempDir,
}

fn ip(words: &[&str]) {
    let done = Command::new("ip").args(words).output().expect("`ip` runs");
    assert!(
        done.status.success(),
        "ip {words:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

impl OutsideNetwork {
    /// `number` is one that no other test has now.
    pub fn new(number: u16) -> OutsideNetwork {
        assert!(number < 60, "there are 60 networks");
        let name = format!("pvx{number}");
        let _ = Command::new("ip").args(["netns", "del", &name]).output();
        let _ = Command::new("ip").args(["link", "del", &name]).output();
        let network = OutsideNetwork {
            name,
            number,
            servers: Vec::new(),
            folder: tempfile::tempdir().expect("a folder"),
        };
        let inner = format!("{}i", network.name);
        ip(&["netns", "add", &network.name]);
        ip(&[
            "link",
            "add",
            &network.name,
            "type",
            "veth",
            "peer",
            "name",
            &inner,
            "netns",
            &network.name,
        ]);
        ip(&[
            "addr",
            "add",
            &format!("{}/30", network.at(1)),
            "dev",
            &network.name,
        ]);
        ip(&["link", "set", &network.name, "up"]);
        network.inside(&[
            "addr",
            "add",
            &format!("{}/30", network.at(2)),
            "dev",
            &inner,
        ]);
        network.inside(&["link", "set", &inner, "up"]);
        network.inside(&["link", "set", "lo", "up"]);
        network
    }

    fn inside(&self, words: &[&str]) {
        let mut all = vec!["-n", self.name.as_str()];
        all.extend(words);
        ip(&all);
    }

    fn at(&self, host: u16) -> String {
        format!("198.51.100.{}", self.number * 4 + host)
    }

    /// The address of the host outside.
    pub fn address(&self) -> String {
        self.at(2)
    }

    /// The machine's own address on that network.
    pub fn machine(&self) -> String {
        self.at(1)
    }

    /// Serves a page at a port, until [`OutsideNetwork::fail`].
    pub fn serve(&mut self, port: u16, page: &str) {
        let folder = self.folder.path().join(format!("{port}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("index.html"), page).expect("a page");
        let child = self.httpd(&folder, port);
        self.servers.push((port, child));
        let address = format!("{}:{port}", self.address());
        crate::wait::until_true(
            "the host outside serves",
            std::time::Duration::from_secs(10),
            || std::net::TcpStream::connect(&address).is_ok(),
        );
    }

    fn httpd(&self, folder: &Path, port: u16) -> Child {
        Command::new("ip")
            .args(["netns", "exec", &self.name, "busybox", "httpd", "-f", "-p"])
            .arg(port.to_string())
            .arg("-h")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("busybox runs")
    }

    /// Nobody serves at that port any more.
    pub fn fail(&mut self, port: u16) {
        for (of, child) in &mut self.servers {
            if *of == port {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        self.servers.retain(|(of, _)| *of != port);
    }
}

impl Drop for OutsideNetwork {
    fn drop(&mut self) {
        for (_, child) in &mut self.servers {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip")
            .args(["link", "del", &self.name])
            .output();
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
    }
}
