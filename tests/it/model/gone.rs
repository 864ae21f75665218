//! What outlives a plant, and what must not.

use windowsill::kernel::time::{DAY_MS, HOUR_MS};
use windowsill::rooms::plants::lookup;
use windowsill::store::Store;

use super::bench::{
    BASE_MS, Bench, METADATA, READINGS, execute, one_life, plant, reading, rows, tombstone,
};
use super::lives::{Running, catch_up, plants};
use super::scripted_log::ScriptedLog;

async fn snoozed(store: &Store) -> Vec<(String,)> {
    rows(store, "select about from snooze order by about").await
}

async fn free_id(store: &Store) -> i32 {
    let offers = store.read(|db| Box::pin(async move { lookup::offers(db, 0).await }));
    offers.await.unwrap().free_id
}

fn house() -> Bench {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1)]);
    for plant_id in 0..3 {
        log.append(METADATA, 0, plant(plant_id, 30.0, BASE_MS));
        log.append(READINGS, 0, reading(plant_id, 50.0, BASE_MS));
    }
    Bench::new(log, BASE_MS + HOUR_MS)
}

/// Whether it is deleted while the bot looks, or meanwhile.
#[test]
fn what_was_silenced_of_a_plant_is_told_of_the_next_with_its_number() {
    let silenced = "insert into snooze (about, until_at) values
        ('plants:1:cold', 253402300799999), ('plants:2:cold', 253402300799999),
        ('plants:2:dry', 253402300799999), ('wifi:2:cold', 253402300799999)";
    for is_running in [false, true] {
        let bench = house();
        catch_up(&bench, 1);
        one_life(async {
            let workshop = bench.workshop().await;
            execute(&workshop.store, silenced).await;
            if is_running {
                let running = Running::start(plants(1), &workshop);
                bench.log.append(METADATA, 0, tombstone(2, BASE_MS + 1));
                super::bench::until(&workshop.store, "it is gone", async |store| {
                    rows::<(i32,)>(store, "select plant_id from plant").await.len() == 2
                })
                .await;
                running.stop().await;
            }
        });
        if !is_running {
            bench.log.append(METADATA, 0, tombstone(2, BASE_MS + 1));
            catch_up(&bench, 1);
        }
        one_life(async {
            let store = bench.workshop().await.store;
            let left = ["plants:1:cold", "wifi:2:cold"].map(|about| (about.to_owned(),));
            assert_eq!(snoozed(&store).await, left, "{is_running}");
        });
    }
}

#[test]
fn a_number_is_not_offered_while_something_of_its_plant_is_kept() {
    let bench = house();
    bench.log.append(METADATA, 0, tombstone(1, BASE_MS + 1));
    bench.log.append(METADATA, 0, tombstone(2, BASE_MS + 1));
    catch_up(&bench, 1);
    one_life(async {
        let store = bench.workshop().await.store;
        assert_eq!(free_id(&store).await, 3);
        execute(&store, "delete from plant_latest where plant_id = 1").await;
        assert_eq!(free_id(&store).await, 1);
        let said = "insert into plant_watering_said values ('1@0', 1, 0, 0, 0, 0)";
        execute(&store, said).await;
        assert_eq!(free_id(&store).await, 3);
    });
}

#[test]
fn what_was_read_of_a_plant_that_nobody_describes_is_forgotten_in_the_end() {
    let bench = house();
    bench.log.append(METADATA, 0, tombstone(2, BASE_MS + 1));
    catch_up(&bench, 1);
    let known = |bench: &Bench| {
        one_life(async {
            let store = bench.workshop().await.store;
            rows::<(i32,)>(&store, "select plant_id from plant_latest order by 1").await
        })
    };
    bench.clock.pass(89 * DAY_MS);
    catch_up(&bench, 1);
    assert_eq!(known(&bench), [(0,), (1,), (2,)]);
    bench.clock.pass(2 * DAY_MS);
    catch_up(&bench, 1);
    assert_eq!(known(&bench), [(0,), (1,)]);
}
