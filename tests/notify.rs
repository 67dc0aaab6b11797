//! Channels are told of a run that comes to nothing, by real requests.

mod cli;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Output,
    thread,
};

use cli::told;
use serde_json::Value;

/// A service that gives these answers, one a request, and returns what was posted.
fn service(answers: &'static [&'static str]) -> (String, thread::JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook/s3cret", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let answered = answers.iter().map(|answer| {
            let (stream, _) = listener.accept().unwrap();
            posted(stream, answer)
        });
        answered.collect()
    });
    (url, serving)
}

fn posted(mut stream: TcpStream, answer: &str) -> Value {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(stated) = line.to_lowercase().strip_prefix("content-length:") {
            length = stated.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, text) = answer.split_once(' ').unwrap();
    let length = text.len();
    let head =
        format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all((head + text).as_bytes()).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// A run that can't begin: there is no PostgreSQL.
fn run(place: &Path, channels: &str, variables: &[(&str, &str)]) -> Output {
    let nowhere = place.join("nowhere").display().to_string();
    let arguments = ["run", "quick", "--runtime", "local", "--pg-bin", &nowhere];
    let notify = ["--notify", channels];
    let mut command = cli::pgdrill(&[&arguments[..], &notify].concat(), place);
    command.current_dir(place).envs(variables.iter().copied());
    command.output().unwrap()
}

#[test]
fn a_run_that_comes_to_nothing_is_told_to_every_channel() {
    let place = tempfile::tempdir().unwrap();
    let (webhook, of_webhook) = service(&["503 busy", "200 thanks"]);
    let (feishu, of_feishu) = service(&[r#"200 {"code":0,"msg":"success"}"#]);
    let variables = [
        ("PGDRILL_NOTIFY_WEBHOOK_URL", webhook.as_str()),
        ("PGDRILL_NOTIFY_FEISHU_URL", &feishu),
        ("PGDRILL_NOTIFY_FEISHU_SECRET", "shared"),
    ];
    let output = run(place.path(), "webhook,feishu", &variables);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(!told(&output).contains("was not told"), "{}", told(&output));
    let (of_webhook, of_feishu) = (of_webhook.join().unwrap(), of_feishu.join().unwrap());
    assert_eq!(
        of_webhook.len(),
        2,
        "what was refused as busy is posted again"
    );
    assert_eq!(
        (&of_webhook[1]["event"], &of_webhook[1]["outcome"]),
        (&"miss".into(), &"unknown".into())
    );
    let text = of_feishu[0]["content"]["text"].as_str().unwrap();
    assert!(
        text.starts_with("pgdrill: ? unknown\n") && text.contains("nowhere"),
        "{text}"
    );
    assert!(of_feishu[0]["sign"].is_string());
}

#[test]
fn a_channel_that_refuses_is_told_of_without_its_address() {
    let place = tempfile::tempdir().unwrap();
    let (wecom, of_wecom) = service(&[r#"200 {"errcode":93000,"errmsg":"invalid webhook url"}"#]);
    let output = run(
        place.path(),
        "wecom",
        &[("PGDRILL_NOTIFY_WECOM_URL", &wecom)],
    );
    let said = told(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("`wecom` was not told: errcode 93000: invalid webhook url"),
        "{said}"
    );
    assert_eq!(of_wecom.join().unwrap().len(), 1);
    for (variables, mark) in [
        (&[][..], "export PGDRILL_NOTIFY_WECOM_URL=https://…"),
        (
            &[("PGDRILL_NOTIFY_WECOM_URL", "s3cret")],
            "PGDRILL_NOTIFY_WECOM_URL is no URL",
        ),
    ] {
        let output = run(place.path(), "wecom", variables);
        let said = told(&output);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains(mark) && !said.contains("s3cret"), "{said}");
        let runs = fs::read_dir(place.path().join("reports"));
        assert_eq!(runs.unwrap().count(), 0);
    }
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{closed}/hook/s3cret");
    let output = run(place.path(), "slack", &[("PGDRILL_NOTIFY_SLACK_URL", &url)]);
    let said = told(&output);
    assert!(
        said.contains("`slack` was not told: ") && !said.contains("s3cret"),
        "{said}"
    );
}
