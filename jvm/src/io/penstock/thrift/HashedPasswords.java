package io.penstock.thrift;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.spec.KeySpec;
import java.util.Base64;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.security.sasl.AuthenticationException;
import org.apache.hive.service.auth.PasswdAuthenticationProvider;

/**
 * Authenticates users by a file of password hashes. A line of it is {@code name:iterations:salt:hash}: PBKDF2
 * with HMAC-SHA256, salt and hash in Base64 (written by penstock/interfaces/sql/users.py).
 *
 * <p>The server creates an instance for each connection, so a changed file takes effect at once.
 */
public final class HashedPasswords implements PasswdAuthenticationProvider {
    /** A property of the JVM: the path of the file. */
    public static final String FILE = "penstock.thrift.users";

    /** The same message for all failures: a caller must not learn which names exist. */
    private static final String REFUSED = "user or password is wrong";

    /** For an unknown name, so that the response takes as long: no password has a hash of zeros. */
    private static final String[] NOBODY = {
        "", "600000", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    };

    @Override
    public void Authenticate(String user, String password) throws AuthenticationException {
        boolean right;
        try {
            right = user != null && password != null && !password.isEmpty() && matches(entry(user), password);
        } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
            throw new AuthenticationException("the file of users can't be used; the server's log says why", e);
        }
        if (!right) {
            throw new AuthenticationException(REFUSED);
        }
    }

    private static String[] entry(String user) throws IOException {
        String path = System.getProperty(FILE);
        if (path == null) {
            throw new IOException("the property " + FILE + " is not set: it names the file of users");
        }
        String[] found = NOBODY;
        for (String line : Files.readAllLines(Path.of(path), StandardCharsets.UTF_8)) {
            String[] parts = line.split(":");
            if (parts.length != 4) {
                throw new IllegalArgumentException("a line of the file of users is not name:iterations:salt:hash");
            }
            if (parts[0].equals(user)) {
                found = parts;
            }
        }
        return found;
    }

    private static boolean matches(String[] entry, String password) throws GeneralSecurityException {
        byte[] salt = Base64.getDecoder().decode(entry[2]);
        byte[] expected = Base64.getDecoder().decode(entry[3]);
        KeySpec key = new PBEKeySpec(password.toCharArray(), salt, Integer.parseInt(entry[1]), expected.length * 8);
        byte[] found = SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(key).getEncoded();
        return MessageDigest.isEqual(expected, found);
    }
}
