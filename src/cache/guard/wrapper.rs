//! What people put around a question: requests for an answer, offers of context, thanks.

/// Phrases at the beginning of a clause, by ` | `, and what they stand for. Longer ones win.
///
/// What follows "if" or "whether" is a question that is answered with yes or no, and stays one.
pub(super) static LEADING: &[(&str, &str)] = &[
    (
        "can you tell me | could you tell me | would you tell me | will you tell me | can you please tell me | could you please tell me | please can you tell me | please could you tell me | can anyone tell me | can someone tell me | could someone tell me | please tell me | just tell me | please explain to me | please show me | please let me know | kindly tell me | kindly let me know",
        "",
    ),
    (
        "can you let me know | could you let me know | can you please let me know | could you please let me know | can you show me | could you show me | can you please show me | could you please show me | can you explain to me | could you explain to me | can you please explain to me | could you please explain to me",
        "",
    ),
    (
        "can you tell me if | could you tell me if | can you please tell me if | could you please tell me if | can you let me know if | could you let me know if | please let me know if | please tell me if | tell me if | let me know if | do you know if | does anyone know if | i like to know if | i want to know if | i need to know if | i was wondering if | i am wondering if | wondering if | just wondering if | i wonder if | not sure if | i am not sure if",
        "whether",
    ),
    (
        "i like to know | i want to know | i need to know | i am curious | i am wondering | i wonder | wondering | i was wondering | i like to understand | i want to understand | i need to understand | i am trying to understand | does anyone know | do you happen to know | do you know | any idea | any ideas | any clue | got a question | i have a question | i had a question | a question",
        "",
    ),
    (
        "would you mind explaining | could you explain | can you explain | can you please explain | could you please explain | would you explain | please explain | help me understand | help me to understand | can you help me understand | could you help me understand | can someone explain | could someone explain | i do not understand | can you clarify | could you clarify",
        "explain",
    ),
    ("would you mind telling me | do you mind telling me", ""),
    (
        "can you help me | could you help me | can you please help me | could you please help me | please help me | help me | can you help me to | could you help me to | help me to | can you help | could you help | please help | can you assist me in",
        "",
    ),
    (
        "can you help me with | could you help me with | please help me with | help me with | i need help with | i need some help with | i need help | need help with | i need assistance with | help with | i need help to | i am having trouble with",
        "",
    ),
    (
        "i am trying to find out | i want to find out | i like to find out | i am trying to figure out | trying to figure out | i am looking for a way to | i am looking for | looking for a way to | i am trying to | trying to",
        "",
    ),
    (
        "is there a way to | is there any way to | is there a way i can | is there any way i can | is there a way for me to | what is a way to",
        "is there",
    ),
    ("write me | please write | can you write | could you write | can you please write", "write~"),
    (
        "can you recommend | could you recommend | please recommend | can you suggest | could you suggest | please suggest | do you have any suggestions for",
        "recommend",
    ),
    (
        "i was wondering if you could | i was wondering if you can | i am wondering if you could | i wonder if you could | i was wondering if someone could | i hope you can | it be great if you could | i appreciate it if you could",
        "can you",
    ),
    (
        "kannst du mir sagen | können sie mir sagen | könnten sie mir sagen | weißt du | wissen sie | puedes decirme | puede decirme | me puedes decir | me puede decir | peux tu me dire | pouvez vous me dire | puoi dirmi | può dirmi | kun je me vertellen | kunt u mij vertellen | weet je",
        "",
    ),
    // Behind the matter of a question.
    (
        "how do i do that | how do i do it | how do i do this | how can i do that | how can i do it | how can i do this | how does that work | how does it work | how does this work | how do i go about it | how do i go about that",
        "how",
    ),
    (
        "how do i fix it | how do i fix that | how do i fix this | how can i fix it | how can i fix that | how can i fix this | how to fix it | how to fix this | how should i fix it | what should i do | what do i do | what can i do | what must i do | what shall i do | what to do | what now | what do i do now | what should i do now | what can i do now | what should i do about it | what do i do about it | what can i do about it",
        "how whattodo?",
    ),
    (
        "what can i do to | what should i do to | what do i do to | what do i need to do to | what do i have to do to | what must i do to | what do you need to do to | what can you do to | what is the process to | what is the procedure to",
        "how can i",
    ),
    (
        "thanks in advance | thank you in advance | many thanks | thank you very much | thank you so much | thanks a lot | appreciate it | i appreciate it | any help is appreciated | any help would be appreciated | please and thank you | help please | please help | please advise | cheers",
        "",
    ),
    ("i can not find | can not find | i am unable to find | i could not find", "where is"),
    ("good morning | good afternoon | good evening | hi there | hello there | hey there", ""),
];
