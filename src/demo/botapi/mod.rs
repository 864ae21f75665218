//! A Bot API server on loopback that stands in for Telegram.
//!
//! In the demo it carries a chat page; in tests it obeys scripted faults. It answers
//! as the documentation of the Bot API describes, well enough for any bot library.
//!
//! A request goes through `server` (token, faults) to one of `methods`, which reads
//! and changes the `world` under one lock; every change passes `State::record`, which
//! also writes the history and tells open pages. `webhook` delivers updates when the
//! bot wants them pushed. [`Handle`] is the people's side: they write, press and look.

mod calls;
mod entities;
mod error;
mod fault;
mod groups;
mod handle;
mod history;
mod html;
mod image;
mod inline;
mod line;
mod markup;
mod methods;
mod model;
mod page;
mod params;
mod people;
mod render;
mod server;
mod shared;
mod shown;
mod webhook;
mod world;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::{Extension, Router};
use tokio::net::TcpListener;

pub use calls::Call;
pub use fault::{Effect, Fault};
pub use handle::Handle;
pub use inline::{InlineAnswer, Offered};
pub use model::PAGE_USER;
pub use shown::{Button, ShownMessage};

use crate::http::{self, Limits};
use history::History;
use line::Entrance;
use model::{Change, Chat, ChatKind, Person};
use shared::Shared;
use world::World;

/// A client may keep a connection for later calls: longer than clients of HTTP usually do (reqwest
/// 90 s), so that none finds it closed in the moment of its next call.
const LIMITS: Limits = Limits { head_within: Duration::from_secs(120), connections: 1024 };

#[derive(Clone, Debug)]
pub struct Options {
    /// Port 0 picks a free one.
    pub listen: SocketAddr,
    /// The only token let in; any that looks like one when `None`.
    pub token: Option<String>,
    /// Where the chat survives a restart; in memory only when `None`.
    pub history: Option<PathBuf>,
    /// Serve the chat page, whose person is [`PAGE_USER`].
    pub page: bool,
}

/// A server that listens already and answers once it runs.
pub struct BotApiServer {
    entrance: Entrance,
    address: SocketAddr,
    router: Router,
    shared: Arc<Shared>,
}

impl BotApiServer {
    pub async fn bind(options: Options) -> io::Result<BotApiServer> {
        let mut world = World::default();
        let history = match &options.history {
            Some(path) => Some(History::open(path, &mut world)?),
            None => None,
        };
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(options.token, world, history));
        shared.act(|state| {
            // Ids start with the clock, so that a bot which remembers those of an
            // earlier server without a history never takes new updates for old.
            state.record(Change::UpdateIds { next: shared::now_s() });
            if options.page && !state.world.chats.contains_key(&PAGE_USER) {
                let person = Person::new(PAGE_USER);
                let chat = Chat::new(PAGE_USER, ChatKind::Private, &person.first_name);
                state.record(Change::Person(person));
                state.record(Change::Chat(chat));
            }
        });
        let mut router = Router::new().fallback(server::answer);
        if options.page {
            router = router.merge(page::routes());
        }
        let router = router
            .layer(DefaultBodyLimit::max(params::BODY_MAX_BYTES))
            .with_state(Arc::clone(&shared));
        let entrance = Entrance { listener, shared: Arc::clone(&shared) };
        Ok(BotApiServer { entrance, address, router, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.shared))
    }

    /// Serves these pages too, on paths that the Bot API does not have.
    #[must_use]
    pub fn joined_by(self, pages: Router) -> BotApiServer {
        BotApiServer { router: self.router.merge(pages), ..self }
    }

    /// Answers until `stop` resolves; then long polls end and the port is free.
    pub async fn run_until(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let shared = self.shared;
        let router = self.router;
        let closing = Arc::clone(&shared);
        let serve = http::serve(
            self.entrance,
            LIMITS,
            |wire| router.clone().layer(Extension(ConnectInfo(wire.line()))),
            async move { closing.closed().await },
        );
        let stop = async {
            stop.await;
            shared.close();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = serve => {}
            () = stop => {}
            () = async { webhook::deliver(&shared).await; std::future::pending().await } => {}
        }
        Ok(())
    }
}
