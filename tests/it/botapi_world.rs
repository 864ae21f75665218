//! A Bot API server for one test, and a plain HTTP client that plays the bot.

use std::path::Path;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use windowsill::demo::botapi::{BotApiServer, Handle, Options};

pub(crate) const TOKEN: &str = "4711:a-test-token";
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

/// The server stops when this is dropped.
pub(crate) struct World {
    pub(crate) handle: Handle,
    pub(crate) base: String,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<std::io::Result<()>>,
}

impl World {
    pub(crate) async fn start() -> World {
        World::with(None, false).await
    }

    pub(crate) async fn with_page() -> World {
        World::with(None, true).await
    }

    pub(crate) async fn with_history(path: &Path) -> World {
        World::with(Some(path), false).await
    }

    async fn with(history: Option<&Path>, page: bool) -> World {
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            token: Some(TOKEN.to_owned()),
            history: history.map(Path::to_owned),
            page,
        };
        let server = BotApiServer::bind(options).await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let handle = server.handle();
        let base = format!("http://{}", server.address());
        let running = tokio::spawn(server.run_until(async {
            // A dropped sender stops the server too.
            let _ = stopped.await;
        }));
        let client = Client::builder().no_proxy().build().unwrap();
        World { handle, base, client, stop: Some(stop), running }
    }

    /// Stops the server and waits until its port and its history are free.
    pub(crate) async fn stop(mut self) {
        self.stop.take();
        self.running.await.unwrap().unwrap();
    }

    pub(crate) fn method_url(&self, method: &str) -> String {
        format!("{}/bot{TOKEN}/{method}", self.base)
    }

    /// Calls a method with JSON and gives the envelope, whatever its status.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params).await.unwrap()
    }

    pub(crate) async fn try_call(&self, method: &str, params: Value) -> reqwest::Result<Value> {
        let url = self.method_url(method);
        self.client.post(url).json(&params).send().await?.json().await
    }

    /// Calls a method that has to succeed and gives its result.
    pub(crate) async fn ok(&self, method: &str, params: Value) -> Value {
        let mut answer = self.call(method, params.clone()).await;
        assert_eq!(answer["ok"], true, "{method} {params}: {answer}");
        answer["result"].take()
    }

    /// Calls a method that has to fail and gives code and description.
    pub(crate) async fn refused(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.call(method, params.clone()).await;
        assert_eq!(answer["ok"], false, "{method} {params}: {answer}");
        let description = answer["description"].as_str().unwrap().to_owned();
        (answer["error_code"].as_i64().unwrap(), description)
    }

    /// The updates that wait, all at once; they stay unconfirmed.
    pub(crate) async fn updates(&self) -> Vec<Value> {
        let updates = self.ok("getUpdates", json!({"timeout": 0})).await;
        updates.as_array().unwrap().clone()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}
