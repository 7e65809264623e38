"""Words and phrases with which people ask, whatever they ask about: they make no other question of it.

Short lists by hand, of the languages that most rows are in. A general list of stop words would hold too much (not, no,
when, where, before, after) and nothing of tell, explain, define; an unknown phrase weighs as its rarity says.
"""

from __future__ import annotations

import re

FRAMES: dict[str, str] = {
    "en": """a an the this that these those there here it its of in on at to for from with by as about into and or but
        so then than if i me my mine we our you your yours he him his she her they them their am is are was were be
        been being s m re ve ll d t do does did doing done have has had having can could will would shall should may
        might must let what which how please pls kindly just also only some any someone anyone anybody somebody tell
        explain describe define give say name state list show provide summarize summarise outline elaborate clarify
        discuss introduce elucidate illustrate write help know knowing understand learn learning hear want wanted
        need needed  wonder wondering wondered ask asking asked question questions answer answers
        explanation explanations description definition definitions overview introduction summary rundown primer
        account detail details information info insight meaning mean means meant term terms word words concept idea
        notion topic subject phrase called refer refers briefly brief short shortly simple simply simplest quick
        quickly exactly actually really basically eli5 hi hello hey dear thanks thank okay ok sentence sentences
        paragraph one own possible able exact precise precisely interested curious looking share talk speak teach
        walk through get got make sense remind figure find out more up bit layman layperson beginner novice plain
        nutshell gist tldr lowdown refresher basics plz u ur whats thx hear heard come across
        instructions step steps guide""",
    "de": """der die das den dem des ein eine einen einem einer eines und oder aber in im an am auf aus bei mit von vom
        zu zum zur für über um es er sie wir ihr ich du mir mich dir dich uns euch ihnen ist sind war waren sein
        wird werden wurde hat haben hatte kann kannst können könnte könntest könnten soll würde würdest würden
        möchte möchten will was welche welcher welches welchen wie bitte mal einmal denn wer eigentlich genau kurz
        einfach erkläre erklär erklären erklärt erklärung beschreibe beschreib beschreiben beschreibung nenne nenn
        nennen sag sage sagen gib geben definiere definition bedeutet bedeutung bedeuten heißt heisst versteht man
        unter begriff begriffs wort frage antwort wissen weiß weißt erzähl erzähle erzählen verstehen hallo danke
        gern gerne etwas handelt sich dabei satz worum geht einfachen einfacher einfache worten worte wörter kurzen
        knapp verständlich überblick einführung zusammenfassung erläutere erläutern erläuterung schildere schildern
        definieren begriffe bescheid gerade wäre lass hilf helfen verstehe darunter soll mein meine meinen dein
        deine näher genauer jemand muss müssen tun geht machen""",
    "fr": """le la les l un une des du de d à au aux et ou mais en dans sur pour par avec que qu qui quoi quel quelle
        quels quelles est ce c sont était être sera a ont avoir je j tu il elle on nous vous ils elles me m te t se
        s mon ma mes ton ta votre vos peux peut pouvez pourrais pourriez pourrait voudrais veux comment s'il plaît
        plait svp explique expliquer expliquez explication décris décrire décrivez définis définir définition donne
        donner donnez dis dire dites dit moi nomme cite signifie signification veut veux savoir sais bonjour merci
        simplement brièvement exactement concept notion terme mot question réponse parle parler parlez y quelque
        chose
        aimerais aimerait souhaite souhaiterais souhaiterait comprendre comprends comprend compris aide aider aidez
        besoin façon manière simple simples clair claire clairement bref brève résume résumer résumé présente
        présenter présentez raconte raconter détaille détail détails apprendre consiste désigne entend appelle
        aperçu introduction quelques mots""",
    "es": """el la los las un una unos unas de del al a en y o pero con por para que qué cuál cuáles cual es son
        era eran fue ser está están hay ha han he me te se le nos mi tu su yo tú usted él ella lo puedes
        puede podrías podría
        quiero quisiera cómo como por favor explica explicar explícame explique explicación describe describir
        define definir definición dime di decir dame dar nombra cita significa significado entiende saber sabes hola
        gracias simplemente brevemente exactamente concepto término palabra pregunta respuesta háblame sobre acerca
        gustaría deseo desearía necesito ayuda ayudas ayúdame ayudar ayudarme entender comprender forma manera
        sencilla sencillo sencillas simple simples breve claro clara claramente explicarme explicas decirme contarme
        cuéntame cuenta contar detalle detalles resumen resume resumir presenta presentar introducción consiste
        llama aprender algo poco pueden podrían palabras""",
    "it": """il lo la i gli le l un uno una di del dello della dei degli delle a al alla in nel nella su con per
        da dal e o ma che chi cosa cos qual quale quali è sono era erano essere ha hanno ho mi ti si ci me te io tu
        lui lei puoi può potresti potrebbe vorrei voglio come per favore spiega spiegami spiegare spiegazione descrivi
        descrivere definisci definire definizione dimmi dire dammi dare nomina significa significato intende sapere
        ciao grazie semplicemente brevemente esattamente concetto termine parola domanda risposta parlami
        piacerebbe desidero bisogno aiuto aiuta aiuti aiutami aiutare aiutarmi capire comprendere modo maniera
        semplice semplici parole breve brevi chiaro chiara chiaramente spiegarmi spieghi dirmi raccontami raccontare
        racconta dettaglio dettagli riassumi riassumere riassunto presenta introduzione potete potreste consiste
        chiama imparare qualcosa intendi""",
    "pt": """o a os as um uma de do da dos das em no na nos nas por para com e ou mas que qual quais é são era foi ser
        está há tem têm me te se lhe eu tu você ele ela meu sua pode poderia podes quero gostaria como por favor
        explica explique explicar explicação descreva descrever defina definir definição diga dizer dê nomeie
        significa significado entende saber sabe olá obrigado simplesmente brevemente exatamente conceito termo
        palavra pergunta resposta fale sobre
        gosto desejo preciso ajuda ajude ajudar compreender forma maneira modo simples breve claro clara claramente
        explicar-me diga-me conte contar detalhe detalhes resumo resuma resumir apresente apresentar introdução
        consiste chama aprender algo pouco poderiam podem palavras oque""",
    "nl": """de het een en of maar in op aan te van voor met bij door over uit naar dat die dit deze er ik je jij jou u
        hij zij ze wij we ons mij me mijn jouw is zijn was waren wordt worden werd heeft hebben had kan kun kunt
        kunnen kon zou zouden wil wat welke welk hoe alsjeblieft graag even eens eigenlijk precies kort leg
        uitleggen uitleg beschrijf beschrijven beschrijving noem noemen zeg zeggen vertel vertellen geef geven
        definieer definitie betekent betekenis begrip woord vraag antwoord weten hallo dank""",
    "ru": """и а но или в на о об про у к с со по из за для от до это такое такой такая что как какой какая какие я мне
        меня мы нам ты вы вам бы ли же есть был была были быть пожалуйста можешь можете могли могу объясни объясните
        объяснить расскажи расскажите рассказать скажи скажите опиши опишите дай дайте определение понятие термин
        слово значит означает значение знать хочу узнать кратко просто простыми словами вопрос ответ привет спасибо""",
}
"""Language → words of asking and the small words between."""

KINDS: dict[str, tuple[int, str]] = {
    "when": (
        1,
        "when date year wann datum jahr quand date année cuándo cuando fecha año quando data anno ano wanneer когда",
    ),
    "where": (2, "where place location located wo wohin woher ort où lieu dónde donde lugar dove onde waar где"),
    "who": (4, "who whom whose wen wem wessen quien quién quiénes кто"),
    "why": (8, "why reason cause warum wieso weshalb grund pourquoi raison porqué razón perché porquê waarom почему"),
    "many": (
        32,
        "many much number amount wieviel wieviele viele combien cuántos cuántas quanti quantos hoeveel сколько",
    ),
    "not": (
        16,
        "not no never none without cannot t nicht kein keine keinen nie ohne не нет pas jamais sans nunca senza não "
        "niet geen nooit",
    ),
    "he": (64, "he him"),
    "she": (128, "she"),
    "they": (256, "they"),
}
"""What kind of thing is asked for, of whom, and denial: (bit, words). Other kinds are other questions."""
NEVER_ALONE = 1 | 2 | 16 | 64 | 128 | 256
"""Kinds that make another question even where the other text names no kind."""
ASKED_FOR = 1 | 2 | 4 | 8 | 32

IRREGULAR = """begin began begun|write wrote written|sink sank sunk|drink drank drunk|sing sang sung|swim swam swum
    |ring rang rung|run ran|come came coming|become became|win won|find found|build built|send sent|spend spent
    |lend lent|bend bent|buy bought|bring brought|think thought|catch caught|teach taught|fight fought|seek sought
    |sell sold|tell told|hold held|make made making|pay paid|say said|lay laid|lead led|feed fed|meet met
    |leave left|lose lost losing|keep kept|sleep slept|feel felt|mean meant|deal dealt|dream dreamt|learn learnt
    |burn burnt|spell spelt|break broke broken|speak spoke spoken|steal stole stolen|choose chose chosen
    |freeze froze frozen|wake woke woken waking|drive drove driven|ride rode ridden riding|rise rose risen rising
    |give gave given giving|take took taken taking|shake shook shaken|forget forgot forgotten|get got gotten
    |eat ate eaten|fall fell fallen|see saw seen|know knew known|grow grew grown|throw threw thrown|fly flew flown
    |draw drew drawn|blow blew blown|wear wore worn|tear tore torn|bear bore born|swear swore sworn|show shown
    |go went gone|shoot shot|sit sat|stand stood|understand understood|hang hung|hide hid hidden hiding
    |bite bit bitten|man men|woman women|child children|foot feet|tooth teeth|mouse mice|wife wives
    |leaf leaves|knife knives|die died dying|live lived living|bake baked baking|use used using|move moved moving
    |save saved saving|hope hoped hoping|code coded coding|love loved loving|name named naming|rule ruled ruling"""
"""English words of which the forms share too few letters: |-separated, each beside its others."""
UNKNOWN = (
    *("don't know", "don't really know", "dont know", "do not know"),
    *("don't understand", "don't really understand", "dont understand", "do not understand", "don't get what"),
    *("not sure", "no idea", "weiß nicht", "verstehe nicht"),
)
"""That somebody does not know something denies nothing of it."""

_AS_KIND = {
    "when": "什么时候 什麼時候 何时 何時 几时 いつ 언제",
    "where": "哪里 哪裡 哪儿 在哪 何处 どこ 어디",
    "who": "谁 誰 누구 누가",
    "why": "为什么 為什麼 为何 為何 なぜ どうして 왜",
    "not": "不是 没有 沒有 不 没 ではない しない ません 않",
}
_DROPPED = """你能不能告诉我 你能告诉我 能不能告诉我 请你告诉我 请告诉我 告诉我 你能 能不能 能否 可不可以 可以 请问
    请你 请 麻烦 帮我 简单解释 解释一下 解释 說明 说明 介绍一下 介绍 描述一下 描述 定义 简述 概述 谈谈 说说
    讲讲 讲解 我想知道 我想了解 想知道 了解 什么是 什麼是 是什么意思 是什么 是什麼 什么意思 什么叫 什么 什麼
    指的是 是指 意思 含义 如何 怎么 怎样 怎麼 一下 关于 關於 谁能告诉我 谁能 才能 方法 用简单的话 用通俗的话 通俗
    大白话 用一句话 一句话 阐述 详细 简要 具体 到底 究竟 有关 概念 解答 是 的 了 吗 嗎 呢 吧 啊 我 你 您
    給我 给我 哪个 哪一个 とは何ですか とは何か とはなんですか とは って何ですか って何 は何ですか は何
    何ですか 何 について説明してください について説明して について教えてください について教えて について
    説明してください 説明して 説明 教えてください 教えて ください です ます を は の が か 이란 무엇입니까
    무엇인가요 무엇인지 무엇 뭐예요 뭐야 뭔가요 뭔지 에 대해 대해서 설명해주세요 설명해 설명 알려주세요
    알려줘 알려 주세요 말해 인가요 은 는 을 를"""
_TO = {word: f" {kind} " for kind, words in _AS_KIND.items() for word in words.split()}
_TO |= dict.fromkeys(_DROPPED.split(), " ")
SUBSTITUTED = re.compile("|".join(sorted(map(re.escape, _TO), key=len, reverse=True)))


def substitute(text: str) -> str:
    """A text in a script without spaces, without its phrases of asking; kinds of question by their names in KINDS."""
    return SUBSTITUTED.sub(lambda match: _TO[match.group()], text)
