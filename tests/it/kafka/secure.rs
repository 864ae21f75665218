//! TLS and SASL/SCRAM, with the feature that has them.

use std::path::Path;
use std::process::Command;

use super::broker::{Broker, BrokerOptions};
use super::prefixed::prefix;
use crate::support::{Ran, run_with_input_and, windowsill};
use crate::tool;

const TEST: &str = "a_broker_that_wants_tls_and_a_password";
const STORE_PASSWORD: &str = "a-store-password";
const PASSWORD: &str = "Zq9-a-secret-of-the-broker";

/// A key for 127.0.0.1 in a store for the broker, and its certificate for the bot.
fn certificate(folder: &Path) {
    let keytool = |args: &[&str]| {
        let made = Command::new("keytool").args(args).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    };
    let store = ["-keystore", "broker.p12", "-storepass", STORE_PASSWORD, "-alias", "broker"];
    let key =
        ["-genkeypair", "-keyalg", "EC", "-dname", "CN=localhost", "-ext", "SAN=ip:127.0.0.1"];
    keytool(&[&key[..], &store[..]].concat());
    keytool(&[&["-exportcert", "-rfc", "-file", "ca.pem"][..], &store[..]].concat());
}

fn options(folder: &Path) -> BrokerOptions {
    BrokerOptions {
        protocol: Some("SASL_SSL"),
        format: vec![
            "--add-scram".to_owned(),
            format!("SCRAM-SHA-256=[name=bot,password={PASSWORD}]"),
        ],
        properties: vec![
            "sasl.enabled.mechanisms=SCRAM-SHA-256".to_owned(),
            "listener.name.clients.scram-sha-256.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required;"
                .to_owned(),
            format!("ssl.keystore.location={}", folder.join("broker.p12").display()),
            format!("ssl.keystore.password={STORE_PASSWORD}"),
            format!("ssl.key.password={STORE_PASSWORD}"),
        ],
        ..BrokerOptions::default()
    }
}

/// A command with a configuration of its own that names the broker, and a password.
fn command(folder: &Path, password: &str, args: &[&str]) -> Command {
    let mut command = windowsill(folder, args);
    command.env("WINDOWSILL_KAFKA__PROPERTIES__SASL__PASSWORD", password);
    command
}

#[test]
fn a_broker_that_wants_tls_and_a_password_gets_both_and_nobody_else_sees_it() {
    if !cfg!(feature = "kafka-tls") {
        let remedy = "give cargo `--features kafka-tls` (Debian: libssl-dev)";
        return tool::leave_out(TEST, remedy);
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    if tool::works(Command::new("keytool").arg("-help")) {
        certificate(folder);
    }
    let Some(broker) = Broker::start(TEST, options(folder)) else { return };
    let configuration = format!(
        "[kafka]\nbrokers = \"{}\"\ntopic_prefix = \"{}\"\n[kafka.properties]\n\
         \"security.protocol\" = \"SASL_SSL\"\n\"sasl.mechanism\" = \"SCRAM-SHA-256\"\n\
         \"sasl.username\" = \"bot\"\n\"ssl.ca.location\" = \"ca.pem\"\n",
        broker.address(),
        prefix()
    );
    std::fs::write(folder.join("windowsill.toml"), configuration).unwrap();
    let line = r#"{"plant_id": 3, "moisture": 25.5, "temperature": 18}"#;
    let write = ["topic", "write", "houseplant-readings", "--format", "value"];
    run_with_input_and(command(folder, PASSWORD, &write), line).expect_code(0);
    let read = command(folder, PASSWORD, &["topic", "read", "houseplant-readings"]).output();
    let read = Ran::new(read.unwrap()).expect_code(0);
    assert_eq!(read.json_lines()[0]["value"]["moisture"], 25.5);

    let shown = Ran::new(command(folder, PASSWORD, &["config"]).output().unwrap()).stdout;
    assert!(shown.contains("\"sasl.password\" = \"<set>\""), "{shown}");
    assert!(!shown.contains(PASSWORD));
    let wrong = command(folder, "Zq9-another", &["check"]).output().unwrap();
    // There is no token either.
    let wrong = Ran::new(wrong).expect_code(2);
    assert!(wrong.stdout.contains("SASL authentication error"), "{}", wrong.stdout);
    assert!(!wrong.stdout.contains("Zq9") && !wrong.stderr.contains("Zq9"));
}
