import edu.anu.spice.SceneGraph;
import edu.anu.spice.SpiceParser;
import edu.anu.spice.SpiceStats;
import edu.anu.spice.TupleFilter;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import org.json.simple.JSONArray;
import org.json.simple.JSONObject;
import org.json.simple.parser.JSONParser;

/**
 * Runs SPICE's own parser and scorer with parses that are kept outside of it.
 *
 * <p>Arguments: items to score (JSON), known parses (JSON), a file that new parses are appended to (one JSON object a
 * line, flushed after each batch so that a broken run keeps them), the scores to write (JSON), threads. It ends when its
 * standard input does, and so with whatever started it. SPICE's own program needs a JavaScript engine to write its
 * results and a native database to keep parses; this needs neither. Run it with `java -cp JARS SpiceRunner.java ...`:
 * Java 11 and later compile a single file by themselves.
 */
public final class SpiceRunner {
  private static final int BATCH = 50;

  private static final class KeepingParser extends SpiceParser {
    private final Map<String, ArrayList<ArrayList<String>>> known;
    private final BufferedWriter added;

    KeepingParser(int threads, Map<String, ArrayList<ArrayList<String>>> known, BufferedWriter added) {
      super(null, threads, true);
      this.known = known;
      this.added = added;
    }

    @Override
    protected Map<String, ArrayList<ArrayList<String>>> loadTuples(List<String> captions) {
      LinkedHashSet<String> wanted = new LinkedHashSet<>(captions);
      wanted.removeAll(known.keySet());
      List<String> missing = new ArrayList<>(wanted);
      for (int start = 0; start < missing.size(); start += BATCH) {
        List<String> batch = missing.subList(start, Math.min(start + BATCH, missing.size()));
        Map<String, ArrayList<ArrayList<String>>> parsed = generateTuples(batch);
        known.putAll(parsed);
        try {
          for (String caption : batch) {
            added.write(JSONArray.toJSONString(Arrays.asList(caption, parsed.get(caption))));
            added.newLine();
          }
          added.flush();
        } catch (IOException error) {
          throw new RuntimeException(error);
        }
      }
      return known;
    }
  }

  private static void endWithInput() {
    try {
      while (System.in.read() >= 0) {}
    } catch (IOException error) {
      // as at its end
    }
    Runtime.getRuntime().halt(1);
  }

  public static void main(String[] arguments) throws Exception {
    Thread watcher = new Thread(SpiceRunner::endWithInput);
    watcher.setDaemon(true);
    watcher.start();
    JSONArray items = (JSONArray) read(arguments[0]);
    Map<String, ArrayList<ArrayList<String>>> known = new HashMap<>();
    for (Object entry : ((JSONObject) read(arguments[1])).entrySet()) {
      Map.Entry<?, ?> pair = (Map.Entry<?, ?>) entry;
      known.put((String) pair.getKey(), tuples((JSONArray) pair.getValue()));
    }
    List<String> candidates = new ArrayList<>();
    List<String> references = new ArrayList<>();
    List<Integer> counts = new ArrayList<>();
    for (Object entry : items) {
      JSONArray item = (JSONArray) entry;
      candidates.add((String) item.get(0));
      JSONArray texts = (JSONArray) item.get(1);
      counts.add(texts.size());
      for (Object text : texts) {
        references.add((String) text);
      }
    }
    try (BufferedWriter added = Files.newBufferedWriter(Paths.get(arguments[2]), StandardCharsets.UTF_8)) {
      KeepingParser parser = new KeepingParser(Integer.parseInt(arguments[4]), known, added);
      List<SceneGraph> given = parser.parseCaptions(references, counts);
      List<SceneGraph> judged = parser.parseCaptions(candidates);
      SpiceStats stats = new SpiceStats(new HashMap<String, TupleFilter>(), false);
      for (int index = 0; index < judged.size(); index++) {
        stats.score(index, judged.get(index), given.get(index), true);
      }
      Files.write(Paths.get(arguments[3]), stats.toJSONString().getBytes(StandardCharsets.UTF_8));
    }
    System.exit(0); // the parser's threads do not end by themselves
  }

  private static Object read(String path) throws Exception {
    Path file = Paths.get(path);
    try (BufferedReader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
      return new JSONParser().parse(reader);
    }
  }

  private static ArrayList<ArrayList<String>> tuples(JSONArray written) {
    ArrayList<ArrayList<String>> result = new ArrayList<>();
    for (Object entry : written) {
      ArrayList<String> tuple = new ArrayList<>();
      for (Object word : (JSONArray) entry) {
        tuple.add((String) word);
      }
      result.add(tuple);
    }
    return result;
  }
}
