//! Function words of the languages that are told apart by their words.

/// The empty words of a language, and those that negate.
pub(super) struct Words {
    /// ISO 639-1 code.
    pub(super) code: &'static str,
    /// Words that are not compared, and that tell the language.
    pub(super) empty: &'static str,
    /// Words that say that something is not so.
    pub(super) negations: &'static str,
}

/// English first: it wins a draw.
pub(super) static LANGUAGES: &[Words] = &[
    Words {
        code: "en",
        empty: "the a an is are was what how who when where why which do does did can could i my me you your of to in on for and with it that this please should will would have has be at by from about there",
        negations: "",
    },
    Words {
        code: "de",
        empty: "der die das den dem des ein eine einen einem einer ist sind war wie was wer wann wo warum welche welcher welches kann kannst können könnte ich mein meine meinen meiner mich mir du dein deine dir sie es er wir uns und oder mit von zu zum zur im in auf für an bei bitte sagen man mache hat habe haben wird werden soll sollte muss gibt aus nach über",
        negations: "nicht kein keine keinen keiner nie niemals ohne außer",
    },
    Words {
        code: "fr",
        empty: "le la les un une des du de d l est sont était quel quelle quels quelles que qu qui quand où pourquoi comment combien je j mon ma mes me m tu ton ta tes vous votre vos nous notre il elle on ce cette ces et ou avec pour dans en au aux sur par à puis peut peux pouvez dois s se si svp est-ce y ai as",
        negations: "ne n pas jamais sans sauf aucun aucune rien",
    },
    Words {
        code: "es",
        empty: "el la los las un una unos unas de del es son está están era qué que cuál cual quién quien cuándo cuando dónde donde cómo como cuánto cuánta cuántos por para con en a al mi mis me tu tus te su sus yo usted se lo le y o puedo puede podría debo hay porqué este esta favor",
        negations: "no nunca sin jamás excepto nada ningún ninguna",
    },
    Words {
        code: "it",
        empty: "il lo la i gli le un uno una di del della dei delle è sono era che cosa chi quando dove perché come quanto quale quali mio mia miei mie mi tu tuo tua ti si io e o con per in nel nella a al alla da dal su posso può devo c'è ci",
        negations: "non mai senza tranne nessun nessuno niente",
    },
    Words {
        code: "pt",
        empty: "o a os as um uma de do da dos das é são está era que qual quais quem quando onde como quanto quantos por para com em no na nos nas ao à meu minha meus me te seu sua eu você se e ou posso pode devo há porque este esta favor",
        negations: "não nunca sem jamais exceto nada nenhum nenhuma",
    },
    Words {
        code: "nl",
        empty: "de het een is zijn was wat hoe wie wanneer waar waarom welke welk kan kunnen kun ik mijn me je jij jouw u uw we wij en of met van naar in op voor aan bij te er dat dit deze die wordt worden moet hoeveel alstublieft heeft heb",
        negations: "niet geen nooit zonder behalve",
    },
];
