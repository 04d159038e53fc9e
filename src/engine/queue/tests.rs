use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::engine::{CommitFailed, Flow, Item, Stopped, Submission, Submitter};

const COMMAND: &str = "a command";

struct Way {
    submitter: Submitter,
    sender: Sender,
    receiver: Receiver,
}

impl Way {
    fn new(capacity: usize) -> Self {
        let (sender, receiver) = queue(capacity);
        Self { submitter: Submitter::new(sender.clone(), Arc::default()), sender, receiver }
    }

    /// What is next: the text of events, or what the command says.
    fn next(&self) -> Option<String> {
        match self.receiver.try_recv().ok()? {
            Command::Append(queued) => {
                Some(String::from_utf8(queued.submission.text.clone()).expect("text"))
            }
            Command::Stop(reason) => Some(reason),
            _ => None,
        }
    }
}

fn submission(text: String) -> Submission {
    let items = vec![Item::of(0, text.len(), true)];
    let (peer, text) = ("{}".into(), text.into_bytes());
    Submission { peer, uid: 0, text, items, origin: None, on_commit: None }
}

/// Whether it is taken without waiting.
async fn fits(flow: &Flow, bytes: usize) -> bool {
    let text = "x".repeat(bytes - 64);
    tokio::time::timeout(Duration::ZERO, flow.submit(submission(text))).await.is_ok()
}

#[tokio::test]
async fn a_command_comes_after_what_was_sent_before_it_and_before_what_is_sent_after() {
    let way = Way::new(1 << 20);
    let flows = [way.submitter.flow(1), way.submitter.flow(2)];
    for round in 0..3 {
        for flow in &flows {
            flow.submit(submission(round.to_string())).await.expect("taken");
        }
        assert!(way.sender.send(Command::Stop(COMMAND.into())));
    }
    let found: Vec<_> = std::iter::from_fn(|| way.next()).collect();
    assert_eq!(found, ["0", "0", COMMAND, "1", "1", COMMAND, "2", "2", COMMAND]);
}

#[tokio::test]
async fn a_user_leaves_room_for_others_and_the_first_of_a_connection_always_fits() {
    let way = Way::new(1000);
    let flood = way.submitter.flow(1);
    let mut taken = 0;
    while fits(&flood, 100).await {
        taken += 1;
    }
    assert_eq!(taken, 5);
    let other = way.submitter.flow(2);
    assert!(fits(&other, 200).await && !fits(&other, 200).await);
    assert!(fits(&way.submitter.flow(1), 5000).await, "the first one");
    while way.next().is_some() {}
    assert!(fits(&flood, 100).await, "what was committed is given back");
}

#[tokio::test]
async fn when_the_writer_has_ended_submitters_and_what_waits_are_told() {
    let way = Way::new(1000);
    let flow = way.submitter.flow(1);
    let (told, answer) = std::sync::mpsc::channel::<Result<_, CommitFailed>>();
    let on_commit = Box::new(move |result| told.send(result).expect("the test listens"));
    let waiting = Submission { on_commit: Some(on_commit), ..submission("x".into()) };
    flow.submit(waiting).await.expect("taken");
    drop(way.receiver);
    assert!(answer.recv().is_err(), "dropped without an answer");
    assert_eq!(flow.submit(submission("y".into())).await, Err(Stopped));
    assert!(!way.sender.send(Command::Stop(COMMAND.into())));
}

#[tokio::test]
async fn batches_are_small_while_somebody_who_sends_little_is_served_beside_a_backlog() {
    let way = Way::new(1 << 20);
    let (flood, polite) = (way.submitter.flow(1), way.submitter.flow(1));
    let most = 1 << 20;
    for _ in 0..4 {
        assert!(fits(&flood, 64 << 10).await);
    }
    assert_eq!(way.receiver.batch_bytes(most), most);
    assert!(fits(&polite, 100).await);
    while way.next().is_some() {}
    assert_eq!(way.receiver.batch_bytes(most), most / SMALLEST);
    let small = (1..WARY).filter(|_| way.receiver.batch_bytes(most) == most / SMALLER).count();
    assert_eq!((small, way.receiver.batch_bytes(most)), (255, most));
}
