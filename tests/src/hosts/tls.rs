//! nginx in front of Pluvio, as an operator puts it there, with a certificate of an authority of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Server, free_port, run};

#[derive(Debug)]
pub struct TlsProxy {
    pub port: u16,
    folder: tempfile::TempDir,
    _server: Server,
}

impl TlsProxy {
    /// Passes everything for `localhost` on to a port of this machine.
    pub fn start(to: u16) -> TlsProxy {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let script = r#"
set -eu
cd "$1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Authority of a test" -keyout ca.key -out ca.crt
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout tls.key -out tls.csr
printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' >extensions
openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out tls.crt
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Somebody else" -keyout other.key -out other.crt
"#;
        run(Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(folder.path()));
        let port = free_port();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {pid};\nerror_log {log};\nevents {{ }}\nhttp {{\n  access_log off;\n\
             \x20 client_body_temp_path {body};\n  proxy_temp_path {temp};\n  fastcgi_temp_path {temp};\n  uwsgi_temp_path {temp};\n  scgi_temp_path {temp};\n\
             \x20 map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n\
             \x20 server {{\n    listen 127.0.0.1:{port} ssl;\n    server_name localhost;\n    ssl_certificate {crt};\n    ssl_certificate_key {key};\n\
             \x20   client_max_body_size 0;\n    location / {{\n      proxy_pass http://127.0.0.1:{to};\n      proxy_http_version 1.1;\n\
             \x20     proxy_set_header Host $http_host;\n      proxy_set_header Upgrade $http_upgrade;\n      proxy_set_header Connection $connection_upgrade;\n\
             \x20     proxy_buffering off;\n      proxy_request_buffering off;\n    }}\n  }}\n}}\n",
            pid = at("pid"),
            log = at("error.log"),
            body = at("body"),
            temp = at("temp"),
            crt = at("tls.crt"),
            key = at("tls.key"),
        );
        std::fs::write(at("nginx.conf"), config).expect("a file");
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .args([
                "-e",
                &at("error.log"),
                "-p",
                &at(""),
                "-c",
                &at("nginx.conf"),
            ])
            .stderr(Stdio::null());
        let server = Server::start(&mut command, port);
        TlsProxy {
            port,
            folder,
            _server: server,
        }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// `ca.crt`, whose authority signed the certificate, or `other.crt`, which did not.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
