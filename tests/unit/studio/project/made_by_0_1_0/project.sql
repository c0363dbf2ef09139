BEGIN TRANSACTION;
CREATE TABLE cue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        plan_id INTEGER REFERENCES plan (id) ON DELETE SET NULL,
        start_ms INTEGER NOT NULL CHECK (start_ms >= 0),
        end_ms INTEGER NOT NULL CHECK (end_ms >= start_ms),
        visual_start_ms INTEGER NOT NULL,
        visual_end_ms INTEGER NOT NULL,
        event_ms INTEGER NOT NULL,
        text TEXT NOT NULL,
        author TEXT NOT NULL CHECK (author IN ('model', 'adapter', 'human')),
        status TEXT NOT NULL CHECK (status IN ('draft', 'approved')),
        extended INTEGER NOT NULL DEFAULT 0,
        candidates TEXT NOT NULL DEFAULT '[]'
    ) STRICT;
INSERT INTO "cue" VALUES(1,1,0,1200,0,4000,2000,'Ann opens the door.','human','draft',0,'["Scene 0 begins.", "It is 0."]');
INSERT INTO "cue" VALUES(2,2,4000,5200,4000,8000,6000,'Scene 1 begins.','model','draft',0,'["Scene 1 begins.", "It is 1."]');
INSERT INTO "cue" VALUES(3,3,9200,10400,8000,12000,10000,'Scene 2 begins.','model','draft',0,'["Scene 2 begins.", "It is 2."]');
CREATE TABLE "cue_history" (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        cue_id INTEGER NOT NULL,
        text TEXT NOT NULL,
        author TEXT NOT NULL,
        written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    ) STRICT;
INSERT INTO "cue_history" VALUES(1,1,'Scene 0 begins.','model','2026-11-30T11:09:56.898Z');
INSERT INTO "cue_history" VALUES(2,2,'Scene 1 begins.','model','2026-11-30T11:09:56.898Z');
INSERT INTO "cue_history" VALUES(3,3,'Scene 2 begins.','model','2026-11-30T11:09:56.899Z');
INSERT INTO "cue_history" VALUES(4,1,'Ann opens the door.','human','2026-11-30T11:09:56.904Z');
CREATE TABLE dialogue (
        id INTEGER PRIMARY KEY,
        start_ms INTEGER NOT NULL CHECK (start_ms >= 0),
        end_ms INTEGER NOT NULL CHECK (end_ms >= start_ms),
        text TEXT NOT NULL,
        speaker TEXT NOT NULL DEFAULT ''
    ) STRICT;
INSERT INTO "dialogue" VALUES(1,8200,9000,'Is anybody there?','ANN');
CREATE TABLE film (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        title TEXT NOT NULL,
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        duration_ms INTEGER NOT NULL CHECK (duration_ms >= 0),
        language TEXT NOT NULL DEFAULT 'en',
        facts TEXT NOT NULL DEFAULT '{}'
    ) STRICT;
INSERT INTO "film" VALUES(1,'film','/films/film.mp4','b353d37896ef360378aefca1b066a478753dd98d51768ba41d6ac9fc90c2f899',12000,'en','{"container": "mov", "video_codec": "h264", "width": 96, "height": 64, "frame_rate": 10.0, "audio_streams": 0, "bytes": 6446}');
CREATE TABLE plan (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        start_ms INTEGER NOT NULL CHECK (start_ms >= 0),
        end_ms INTEGER NOT NULL CHECK (end_ms >= start_ms),
        visual_start_ms INTEGER NOT NULL,
        visual_end_ms INTEGER NOT NULL,
        event_ms INTEGER NOT NULL,
        done INTEGER NOT NULL DEFAULT 0
    , choice TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "plan" VALUES(1,0,4000,0,4000,2000,1,'best','Takes 1.2 s of 5.2 s.');
INSERT INTO "plan" VALUES(2,4000,8000,4000,8000,6000,1,'best','Takes 1.2 s of 4.0 s.');
INSERT INTO "plan" VALUES(3,9200,12000,8000,12000,10000,1,'best','Takes 1.2 s of 2.8 s.');
CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
INSERT INTO "setting" VALUES('decoded','{"audio_language": "en", "duration_ms": 12000, "notes": ["The film has no sound track in English."]}');
INSERT INTO "setting" VALUES('request','{"audio_language": "en", "cast": {"characters": [["Ann Léger", "the \"captain\"", "she/her", 0]], "pictures": {}, "settings": {"contrast": 1.0, "exemplars": 5, "heard": 0.7, "near": 0.45, "near_ms": 1500, "offset": 0.47, "slope": 1.93, "threshold": 0.5}, "told": [[0, 4000, ["Ann Léger"], []]]}, "context": 2, "model": "teller", "names_alone": false, "plan": {"beyond_ms": 1000, "breath_ms": 300, "guard_ms": 200, "max_cue_ms": 8000, "min_cue_ms": 2500, "min_gap_ms": 1500}, "question": "Describe this visual.", "subtitles": "5c2ccba5cfb0cb7b16e83191e9c4cce94c66dfe7e141d40e5c888ca98ac0758c", "words_per_minute": 150}');
INSERT INTO "setting" VALUES('cleaned','{"cleaned": 3, "labels": 3}');
INSERT INTO "setting" VALUES('unparsed','0');
INSERT INTO "setting" VALUES('cast','[{"aliases": ["the \"captain\""], "known_from_ms": 0, "look": "", "name": "Ann Léger", "pronouns": "she/her"}]');
INSERT INTO "setting" VALUES('model','{"calvin": "0.1.0", "card": "Counts scenes.", "fingerprint": "", "name": "teller", "stills": "4"}');
INSERT INTO "setting" VALUES('notes','["The film has no sound track in English.", "Of 3 answers of the model 3 were cleaned: labels 3."]');
INSERT INTO "setting" VALUES('written','{"film.json": ["1ddcc5fd7c0f387bd6f607a29aa88a4a7703636ebcc0cb7faf8681301185f6f1", "027b234348f77ca15f8122a0cd3363d7f1df283a1d6efe05a52a38f331ca8556"], "film.vtt": ["77e694b99db09a820df01a09198cb33499145f36f18cc636360f6c07073a61ef", "6fd9ac1814f42a227f36a912c65386a07e3fe2acc7bb7f97312b05db1106fb50"]}');
INSERT INTO "setting" VALUES('voice','{"cues": {"1": {"file": "voice/1-a148a1a3ffb7.wav", "ms": 1500, "text": "Ann opens the door."}, "2": {"file": "voice/2-61234c7d6387.wav", "ms": 1125, "text": "Scene 1 begins."}, "3": {"file": "voice/3-e4c33b39f326.wav", "ms": 1125, "text": "Scene 2 begins."}}, "lufs": -23.0, "name": "tones", "rate": 160.0}');
CREATE TABLE shot (
        id INTEGER PRIMARY KEY,
        start_ms INTEGER NOT NULL CHECK (start_ms >= 0),
        end_ms INTEGER NOT NULL CHECK (end_ms >= start_ms)
    ) STRICT;
INSERT INTO "shot" VALUES(1,0,4000);
INSERT INTO "shot" VALUES(2,4000,8000);
INSERT INTO "shot" VALUES(3,8000,12000);
CREATE INDEX cue_by_time ON cue (start_ms, end_ms);
CREATE INDEX cue_history_by_cue ON cue_history (cue_id, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('cue_history',4);
INSERT INTO "sqlite_sequence" VALUES('plan',3);
INSERT INTO "sqlite_sequence" VALUES('cue',3);
COMMIT;
PRAGMA user_version = 2;
