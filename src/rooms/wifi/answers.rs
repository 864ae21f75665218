//! What the Wi-Fi views read for the chat's decisions.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use super::chat::{Ask, Known, WifiChat};
use super::lookup;
use crate::rooms::turn::{Answers, Asker};
use crate::store::StoreError;

impl Answers for WifiChat {
    fn read<'a>(
        &'a self,
        ask: &'a Ask,
        _asker: &'a Asker,
        db: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Known, StoreError>> {
        Box::pin(async move {
            Ok(match ask {
                Ask::Device(wanted) => Known::Device(lookup::find(db, wanted).await?),
                Ask::Devices(order, page) => {
                    let (rows, total) = lookup::page(db, *order, *page).await?;
                    Known::Devices(rows, total)
                }
                Ask::Seekers(ssid) => {
                    let (rows, total) = lookup::seekers(db, ssid).await?;
                    Known::Seekers(rows, total)
                }
                Ask::Unclear(_) => Known::Nothing,
            })
        })
    }
}
