package gush.example;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A command line of {@code --name VALUE} pairs, flags and the rest. */
final class Arguments {
    private final Map<String, List<String>> values = new HashMap<>();
    private final Set<String> flags = new HashSet<>();
    private final List<String> rest = new ArrayList<>();

    Arguments(String[] args, Set<String> names, Set<String> flagNames) {
        for (int i = 0; i < args.length; i++) {
            String arg = args[i];
            if (names.contains(arg) && i + 1 < args.length) {
                values.computeIfAbsent(arg, name -> new ArrayList<>()).add(args[++i]);
            } else if (flagNames.contains(arg)) {
                flags.add(arg);
            } else if (arg.startsWith("--")) {
                throw new IllegalArgumentException(
                        names.contains(arg) ? arg + " wants a value" : "unknown option " + arg);
            } else {
                rest.add(arg);
            }
        }
    }

    /** All values given under a name, in order. */
    List<String> all(String name) {
        return values.getOrDefault(name, List.of());
    }

    /** The last value given under a name. */
    String last(String name, String otherwise) {
        List<String> given = all(name);
        return given.isEmpty() ? otherwise : given.get(given.size() - 1);
    }

    /** As {@link #last}, with an environment variable in between. */
    String last(String name, String variable, String otherwise) {
        return last(name, System.getenv().getOrDefault(variable, otherwise));
    }

    boolean has(String flag) {
        return flags.contains(flag);
    }

    List<String> rest() {
        return rest;
    }
}
