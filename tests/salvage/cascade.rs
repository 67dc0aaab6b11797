//! The schema `public`, and what hangs on it in another one.

use pgdrill::{event::EventKind, restore::salvage::SalvageRequest};

use super::case::{Case, differences, done, look};

const SCHEMAS: &str = include_str!("cascade.sql");

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_public_comes_home() {
    let Some(case) = Case::with(SCHEMAS).await else {
        return;
    };
    let request = SalvageRequest {
        schemas: vec!["public".into()],
        ..SalvageRequest::default()
    };
    rows_of_public(&case, &request).await;
    public_with_what_hangs_on_it(&case, &request).await;
    what_cannot_come_home_is_named(&case, &request).await;
    case.bench.close().await;
}

async fn rows_of_public(case: &Case, request: &SalvageRequest) {
    case.production
        .sql("SET session_replication_role = replica; DELETE FROM public.customers WHERE id > 5; REVOKE SELECT ON public.customers FROM app")
        .await;
    let salvaged = case.salvage(request.clone()).await.unwrap();
    assert_eq!(done(&salvaged, "public.customers").inserted, 15);
    case.whole_again("rows of public deleted").await;
}

/// Columns, defaults, constraints, functions and views of another schema.
async fn public_with_what_hangs_on_it(case: &Case, request: &SalvageRequest) {
    case.production.sql("DROP SCHEMA public CASCADE").await;
    let salvaged = case.salvage(request.clone()).await.unwrap();
    assert_eq!(done(&salvaged, "public.customers").inserted, 20);
    case.whole_again("the schema public dropped").await;
    let target = "SELECT attstattarget FROM pg_attribute WHERE attrelid = 'shop.orders'::regclass AND attname = 'states'";
    assert_eq!(case.production.value(target).await, "55");
    assert_eq!(
        case.production
            .value("SELECT nextval('public.numbers') > 100")
            .await,
        "true"
    );
    let said = notes(case).pop().unwrap();
    for name in [
        "view shop.open",
        "function shop.is_open(public.state)",
        "column state of shop.orders",
        "default value for shop.orders.customer",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
}

/// A row that came since has no state, and a code that is too long now.
async fn what_cannot_come_home_is_named(case: &Case, request: &SalvageRequest) {
    case.production
        .sql("DROP SCHEMA public CASCADE; INSERT INTO shop.orders (id, code, no) VALUES (1000, 'a code too long', 1)")
        .await;
    case.scratch
        .sql("INSERT INTO shop.tags VALUES ('a', 'new')")
        .await;
    case.salvage(request.clone()).await.unwrap();
    let left = differences(&case.before, &look(&case.production).await);
    let gone = |line: &String| line.starts_with('-') && line.contains("short");
    assert!(left.iter().any(gone), "{left:#?}");
    let said = notes(case).pop().unwrap();
    let left = "did not come home: the values of state in shop.tags, which has no primary key, table constraint short on shop.orders (";
    assert!(said.contains(left), "{said}");
}

fn notes(case: &Case) -> Vec<String> {
    let events = case.bench.recorder.events().into_iter();
    let notes = events.filter_map(|event| match event.kind {
        EventKind::Note { text } => Some(text),
        _ => None,
    });
    notes.collect()
}
